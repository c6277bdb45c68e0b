"""Vendors' depth and prints, each turned into the one event record of market.events: one file a format, pure.

Why here: a format is a fact about a market's feed. The daemon, a job and a test convert the same bytes with the same
function, and whoever reads the file or the socket hands the lines in. Nothing opens a file, asks the time, or knows a symbol.

A feed that tells each level by its price becomes LEVEL events; one that tells rows by their position, or pictures of the top
of the book, becomes position ops (positions: price-aligned, a row that comes into sight at the bottom is an INSERT there and
nothing else moves). A print comes before the change of the book that it caused, as the exchange did it.

positions rows seen through a window · lobster · databento · ib_depth · iqfeed_depth, iqfeed_l1 · snapshots · event_file our own.
"""
