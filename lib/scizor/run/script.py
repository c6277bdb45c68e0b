"""What every bin script calls: parse, answer --help with the script's own docstring, then hand over to the runner.

Imports almost nothing: --help must answer at once, without database, client or configuration.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from scizor.base.exit import Exit

if TYPE_CHECKING:
    from scizor.run.context import Context, Result


@dataclass(frozen=True, slots=True)
class Needs:
    """What the runner prepares before the job. database: a connection, with `login` "collector", "owner" or "reader";
    lock: one run of this name and scope at a time; row: a job_runs row with a heartbeat; mail: failure is mailed;
    deadline: it is not a person's session, so it ends by itself; pause: as a job (row and mail) it is held by bin/pause."""

    configuration: bool = True
    database: bool = True
    login: str = "collector"
    schema: bool = True
    lock: bool = True
    row: bool = True
    mail: bool = True
    deadline: bool = True
    pause: bool = True


class Parser(argparse.ArgumentParser):
    """argparse, but --help is the docstring and a mistake is one line, a hint, and status 2."""

    doc = ""

    def format_help(self) -> str:
        return self.doc.strip() + "\n"

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}. HINT: {self.prog.split()[0]} --help", file=sys.stderr)
        raise SystemExit(int(Exit.USAGE))


def make_parser(
    name: str, doc: str, arguments: Callable[[argparse.ArgumentParser], None], *, passes_on: bool = False
) -> Parser:
    """The script's parser with the options that all scripts share. passes_on: the script hands whatever is not its own
    to another program, so -v and --debug are that program's."""
    parser = Parser(prog=name, allow_abbrev=False)
    parser.doc = doc
    parser.add_argument("--config", metavar="FILE", type=Path)
    if not passes_on:
        parser.add_argument("-v", "--verbose", action="store_true")
        parser.add_argument("--debug", action="store_true")
    arguments(parser)
    return parser


def main(
    doc: str | None,
    arguments: Callable[[argparse.ArgumentParser], None],
    job: Callable[[Context], Result],
    *,
    name: str,
    needs: Needs | Callable[[argparse.Namespace], Needs] = Needs(),
    scope: Callable[[argparse.Namespace], str] = lambda _: "",
    argv: Sequence[str] | None = None,
    passes_on: bool = False,
) -> NoReturn:
    """Parses, runs, and exits with a status of base.exit. `scope`: what part of the work a run does; runs of different
    scopes may go side by side. passes_on: words that are not the script's own are left in args.rest."""
    parser = make_parser(name, doc or "", arguments, passes_on=passes_on)
    if passes_on:
        args, rest = parser.parse_known_args(argv)
        args.rest, args.verbose, args.debug = rest, False, False
    else:
        args = parser.parse_args(argv)
    from scizor.run import group
    from scizor.run.runner import run  # late: --help does not pay for it

    needed = needs(args) if callable(needs) else needs
    if needed.deadline:
        group.lead()
    raise SystemExit(int(run(job, args, name=name, needs=needed, scope=scope(args))))
