"""Exit statuses: a documented interface (README "Exit status"), asserted in tests, after restic and sysexits.h."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0  # done, or nothing was due
    UNEXPECTED = 1  # a bug, or something that nobody foresaw: the log has the traceback
    USAGE = 2  # the command line is wrong
    PARTIAL = 3  # partly done; the rest is stored
    FINDING = 4  # looked, and found something that needs a person
    UNREACHABLE = 69  # a needed service does not answer
    NO_SPACE = 73  # the disk is full, or will be
    BUSY = 75  # another run holds the lock
    REFUSED = 77  # permission, account or mode
    CONFIGURATION = 78  # the configuration, the environment or the schema is not as needed
    DEADLINE = 124  # the job's own deadline passed
    INTERRUPTED = 130  # SIGINT
    TERMINATED = 143  # SIGTERM
