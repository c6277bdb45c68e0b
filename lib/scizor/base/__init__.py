"""Floor 0: what every room may use and what knows nothing of markets, databases or vendors.

Errors that carry a hint and an exit code, the clock that is handed in, configuration as one list seen four ways, paths,
locks, logs, progress, the environment, child servers, and the few words that two strangers on the fourth floor share
(protocols.py). Nothing here imports from another room; environment.py imports nothing but the standard library.
"""
