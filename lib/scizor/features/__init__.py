"""Numbers computed from numbers: arrays in, arrays out. No clock, no I/O, no market facts beyond what the caller hands in.

Each function states shapes, dtypes, units and the source of its formula, so that a second implementation (another library,
a compiled kernel, a GPU) can be compared with it in a test.
"""
