"""bin/symbols: the universe. Import is all or nothing and repeatable; what a person must know is found by lint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import symbols, watchlist
from scizor.db.connect import Connection
from scizor.jobs import listing
from scizor.jobs.listing import tell
from scizor.market import lint, table, universe
from scizor.market.lint import Finding, View
from scizor.market.universe import Life, Listed
from scizor.run.context import Context, Result

COLUMNS = ("symbol", "exchange", "currency", "con_id", "priority", "active", "name", "sector", "listed_to", "note")


class Files(NamedTuple):
    """What the files of an import say."""

    listed: tuple[Listed, ...]
    lives: tuple[Life, ...]
    problems: tuple[str, ...]


class Imported(NamedTuple):
    """What an import did, or would do. past: earlier holders of codes, stored inactive. lives: rows of symbol_codes and
    names that changed. problems: why nothing was done."""

    added: int = 0
    changed: tuple[str, ...] = ()
    unchanged: int = 0
    past: int = 0
    lives: int = 0
    problems: tuple[str, ...] = ()

    @property
    def is_idle(self) -> bool:
        return not (self.added or self.changed or self.past or self.lives)


def run(context: Context) -> Result:
    command = {"import": _import, "list": _list, "show": _show, "set": _set, "qualify": _qualify, "lint": _lint}
    return command[context.args.command](context)


# ---- import


def read_files(paths: Iterable[Path]) -> Files:
    """Reads universe files and codes files, which are told apart by their columns."""
    listed: list[Listed] = []
    lives: list[Life] = []
    problems: list[str] = []
    for path in paths:
        data = read_limited(path)
        if universe.is_lives(data):
            found, wrong = universe.read_lives(str(path), data)
            lives += found
        else:
            rows, wrong = universe.read_listed(str(path), data)
            listed += rows
        problems += map(str, wrong)
    return Files(tuple(listed), tuple(lives), tuple(problems))


def read_limited(path: Path) -> bytes:
    """The file's bytes, one more than the limit at most: the reader refuses it then. UsageError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(table.BYTES_MAX + 1)
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror}") from None


def import_universe(connection: Connection, files: Files, now: datetime, *, dry_run: bool = False) -> Imported:
    """Stores what the files say in one transaction: all of it, or nothing and the problems. A second time it changes
    nothing. What a file leaves empty stays as it is; what no file names stays too. dry_run: rolled back at the end."""
    if files.problems:
        return Imported(problems=files.problems)
    with connection.transaction(force_rollback=dry_run):
        before = symbols.load_listed(connection)
        changes = universe.changes(before, files.listed)
        if changes.clashes:
            return Imported(problems=tuple(f"{each.symbol}: {each.text}" for each in changes.clashes))
        symbols.store_listed(connection, (*changes.added, *changes.changed), now)
        there = {**before, **{each.symbol: each for each in (*changes.added, *changes.changed)}}
        past = universe.past_holders(files.lives, there)
        symbols.store_listed(connection, past, now, active=False)
        lives = symbols.store_lives(connection, files.lives)
    return Imported(
        len(changes.added),
        tuple(f"{each.symbol}: {_difference(before[each.symbol], each)}" for each in changes.changed),
        changes.unchanged,
        len(past),
        lives,
    )


def _difference(before: Listed, after: Listed) -> str:
    pairs = zip(Listed._fields, before, after, strict=True)
    return ", ".join(f"{name} {old or 'empty'} becomes {new}" for name, old, new in pairs if old != new)


def _import(context: Context) -> Result:
    files = read_files(context.args.files)
    done = import_universe(context.connection, files, context.clock.now(), dry_run=context.args.dry_run)
    if done.problems:
        return Result(
            f"{len(done.problems)} problems, nothing was imported", Exit.USAGE, list(done.problems), hint="correct the files and run it again"
        )
    for line in done.changed:
        context.log.info("%s", line)
    stand = f"{done.unchanged} symbols stand so already" if done.unchanged else ""
    if done.is_idle:
        return tell(f"nothing changes: {stand or 'the lives of codes stand so already'}")
    parts = [
        f"{done.added} symbols added" if done.added else "", f"{len(done.changed)} changed" if done.changed else "", stand,
        f"{done.lives} lives of codes written" if done.lives else "",
        f"{done.past} earlier holders of codes added, inactive" if done.past else "",
    ]  # fmt: skip
    text = ", ".join(each for each in parts if each)
    if context.args.dry_run:
        return tell("\n".join([f"would be: {text}; nothing was written", *done.changed]))
    return tell(text)


# ---- list, show, set


def rows(connection: Connection, now: datetime, *, inactive: bool = False, name: str = "") -> list[listing.Row]:
    """The universe as a table, by effective priority and symbol. name: only what stands on that watch-list. inactive:
    those too. The note says why a symbol is not collected at present."""
    lists = watchlist.load(connection)
    if name and name not in lists:
        raise UsageError(f"there is no watch-list {table.quoted(name)}" + table.nearest(name, lists))
    wanted = {each.symbol for each in lists[name]} if name else None
    known = symbols.load_known(connection, now)
    listed = symbols.load_listed(connection)
    return [
        {
            **listed[each.symbol]._asdict(), "exchange": known[each.symbol].exchange, "priority": each.priority,
            "active": known[each.symbol].is_active, "note": each.refused or ("" if each.con_id else "no con_id yet"),
        }
        for each in symbols.load_instruments(connection, now, inactive=inactive)
        if wanted is None or each.symbol in wanted
    ]


def find(connection: Connection, text: str) -> Listed:
    """The instrument of a symbol, or of a code that one instrument alone has had. UsageError with the nearest one."""
    try:
        wanted = table.symbol(text)
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    listed = symbols.load_listed(connection)
    if wanted in listed:
        return listed[wanted]
    holders = {each.symbol for each in symbols.load_lives(connection) if each.code == wanted and each.symbol}
    if len(holders) == 1:
        return listed[holders.pop()]
    raise UsageError(f"{wanted} is not in the universe{table.nearest(wanted, list(listed))}", hint="bin/symbols list, or bin/symbols import FILE")


def _list(context: Context) -> Result:
    found = rows(context.connection, context.clock.now(), inactive=context.args.all, name=context.args.name or "")
    print(listing.render(found, COLUMNS, context.args.form))
    return Result()


def _show(context: Context) -> Result:
    now, form = context.clock.now(), context.args.form
    listed = find(context.connection, context.args.symbol)
    facts = {**listed._asdict(), **symbols.load_details(context.connection, listed.symbol)}
    facts["not_collected"] = lint.reason(symbols.load_known(context.connection, now)[listed.symbol], now.date())
    codes = {listed.symbol, facts["code"]}
    lives = [each._asdict() for each in symbols.load_lives(context.connection) if each.symbol == listed.symbol or each.code in codes]
    lists = [
        {"name": name, **row._asdict()}
        for name, found in watchlist.load(context.connection).items()
        for row in found
        if row.symbol == listed.symbol
    ]
    if form == "json":
        print(listing.render([{**facts, "codes": lives, "watchlists": lists}], [*facts, "codes", "watchlists"], form))
        return Result()
    print(listing.render([{"fact": name, "value": value} for name, value in facts.items() if value not in (None, "")], ("fact", "value"), form))
    if lives:
        print("\n" + listing.render(lives, ("code", "symbol", "first", "last", "successor", "note"), form))
    if lists:
        print("\n" + listing.render(lists, ("name", "priority", "collect_1min", "collect_5min", "depth", "notes"), form))
    return Result()


def _set(context: Context) -> Result:
    args = context.args
    if args.active is None and args.priority is None:
        raise UsageError("nothing to set", hint="--active, --inactive or --priority N")
    symbol = find(context.connection, args.symbol).symbol
    known = symbols.load_known(context.connection, context.clock.now())[symbol]
    priority = known.priority if args.priority is None else args.priority
    active = known.is_active if args.active is None else args.active
    if (priority, active) == (known.priority, known.is_active):
        return tell(f"nothing changes: {symbol} stands so already")
    symbols.prefer(context.connection, symbol, active=active, priority=priority)
    return tell(f"{symbol}: {'active' if active else 'inactive'}, priority {priority}")


def _qualify(context: Context) -> Result:
    from scizor.jobs import qualify  # late: it brings ib_insync

    return qualify.run(context)


# ---- lint


def view(connection: Connection, now: datetime) -> View:
    """All that lint looks at, from the database."""
    return View(symbols.load_known(connection, now), symbols.load_lives(connection), watchlist.load(connection), now.date())


def findings_result(found: Sequence[Finding], form: str, what: str) -> Result:
    """Prints the findings, and ends with 4 when there are any: a person is needed."""
    if form != "text" or found:
        print(listing.render([each._asdict() for each in found], ("rule", "symbol", "watchlist", "text", "hint"), form) if form != "text" else _as_text(found))
    if not found:
        return tell(f"{what}: nothing to find") if form == "text" else Result()
    return Result(f"{len(found)} findings", Exit.FINDING, hint=found[0].hint)


def _as_text(found: Sequence[Finding]) -> str:
    """A finding is two lines: a table would hide what to do behind the edge of the screen."""
    return "\n".join(
        f"{each.rule}: {each.text}" + (f" [{each.watchlist}]" if each.watchlist else "") + (f"\n    HINT: {each.hint}" if each.hint else "")
        for each in found
    )


def _lint(context: Context) -> Result:
    return findings_result(lint.findings(view(context.connection, context.clock.now())), context.args.form, "symbols")

