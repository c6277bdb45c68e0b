"""Floor 6: loopback gateways that play a recording, or a simulated market, over the vendor's own wire.

Why this is product and not scaffolding: a trader tries his scripts at the weekend, a test breaks the wire on purpose, a
bench counts requests where they arrive. Other people's clients must work on it, so it negotiates like the real one, has
the real one's texts, limits and faults, and knows nothing of how our own client paces itself: it reads the table in
ib.wire, and a test forbids it to import ib.pacing (two counters that share code share their mistakes).

Here nothing is generated: sources/ hold the recordings and the simulated market behind one Protocol, each with a label
that says which it is; tws/ is the IB Gateway. Its account is neither U… nor DU…, so no job takes it for a real one.
"""
