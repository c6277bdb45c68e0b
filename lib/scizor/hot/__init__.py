"""Floor 4: the room that knows one stranger, Redis, where the newest values lie for whoever watches.

Today it holds the question whether the server is well; the live daemon brings the rest. Redis is never the only place of
anything: it may be lost, flushed or full, and PostgreSQL does not notice.
"""
