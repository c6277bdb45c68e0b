"""Bars outside the database: Parquet and CSV files that another program can read without us.

Knows pyarrow and nothing else of floor 4: text of bars comes in as CSV, and goes out as CSV. A file holds one series' year
with exact decimals, UTC, page checksums, and in every row who says so (source, request) and since when (known_from). It is
written beside its place, forced to disk and renamed, so a reader sees the old one or the new one. The manifest names each
with its rows, its SHA-256 and the digest of its values; what the manifest does not name does not count.

Not Arrow IPC: it has no checksum (a flipped bit is silently another price), and not floats: 324.6417 must survive.
"""
