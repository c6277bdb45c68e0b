"""Floor 4: the one room that speaks to Interactive Brokers, through ib_insync over the TWS wire.

Its client turns a pacing violation, its own timeout and a cut answer into an empty or partial list; it waits for ever
where nobody answers, and asks for positions before the caller has seen the account. So this room owns the connection,
the request ids and every deadline: a request ends in one typed Outcome that cannot change afterwards, and only what is
understood is ever called "no data".

wire the messages as one table · outbound what may leave · library all of ib_insync that we use · answers who waits for
what · connection one socket to the right account · codes what IB's numbers mean · history, contracts the requests ·
resets when IB restarts its servers · pacing the limits (pure). This file imports nothing: wire and pacing stay cheap.
"""
