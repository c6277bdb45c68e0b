"""What bin/check and bin/health look at: each check is one row of `table`, a reader and a judge.

A reader fetches facts and decides nothing: rows of a query, or what a function of `host` or `services` saw. A judge is pure: facts
and a moment in, an answer out, so that every threshold is tried without a server. `look` runs them, each with a limit of
its own: a check that gets no answer says so, and the others are told all the same. Nothing here writes.

Freshness is asked of the tables, never of a process: that catches a dead cron, a dead daemon and a dead host alike. A known
reset window of IB raises a tolerance and mutes nothing.
"""
