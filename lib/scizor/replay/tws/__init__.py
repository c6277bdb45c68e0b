"""An IB Gateway on loopback: the real wire, texts, limits and faults, over history that somebody else recorded.

How a request passes: `server` reads a frame and stamps it with the gateway's clock at that instant (not when it is served:
a client may not be accused of our slowness) · `limits` counts it and says which of IB's rules it breaks · `faults` says
whether a fault was ordered for it (on the command line, in a `script`, or by a test in this process) · `service` makes it
wait as IB's history farm would · `history` does IB's arithmetic and asks the source · `answers` finds the messages that go
back · `journal` writes what was seen and what was said about it, so that others can count again from outside.

The counters share no code with our client's pacing. Ticks and depth are not served yet: their requests are answered with
an error that says so; `answers.SERVED` is the table where they will stand.
"""
