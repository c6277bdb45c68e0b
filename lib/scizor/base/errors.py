"""Errors are answers: what happened, what to do next (HINT), and the exit status that the script ends with.

Raise the subclass whose name says what a person must do; the runner prints it and chooses the exit status. An error
that is none of these is a bug and ends with status 1 and a traceback in the log.
"""

from __future__ import annotations

from typing import ClassVar

from scizor.base.exit import Exit


class ScizorError(Exception):
    """An expected failure. `message` is one sentence without a full stop; `hint` names the next command or setting."""

    exit: ClassVar[Exit] = Exit.UNEXPECTED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. HINT: {self.hint}" if self.hint else self.message


class UsageError(ScizorError):
    exit = Exit.USAGE


class PartialError(ScizorError):
    """Some targets failed; what was fetched is stored."""

    exit = Exit.PARTIAL


class FindingError(ScizorError):
    """A check looked and found something that needs a person."""

    exit = Exit.FINDING


class UnreachableError(ScizorError):
    exit = Exit.UNREACHABLE


class NoSpaceError(ScizorError):
    exit = Exit.NO_SPACE


class BusyError(ScizorError):
    exit = Exit.BUSY


class RefusedError(ScizorError):
    """Permission, account or mode: retrying cannot help and might harm."""

    exit = Exit.REFUSED


class ConfigurationError(ScizorError):
    exit = Exit.CONFIGURATION


class DeadlineError(ScizorError):
    exit = Exit.DEADLINE
