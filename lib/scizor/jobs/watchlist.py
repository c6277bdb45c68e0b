"""bin/watchlist: who is watched, how early and how closely. Jobs read it at each run: no restart, no code change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import symbols, watchlist
from scizor.db.connect import Connection
from scizor.jobs import listing
from scizor.jobs.listing import tell
from scizor.jobs.symbols import findings_result, read_limited, view
from scizor.market import lint, table, universe
from scizor.market.calendar import calendar_of
from scizor.market.universe import Listed, Watched
from scizor.run.context import Context, Result

COLUMNS = ("name", "symbol", "priority", "collect_1min", "collect_5min", "depth", "daily_years", "intraday_days", "notes", "not_collected")
IMPORTABLE = tuple(name for name in COLUMNS if name not in ("name", "not_collected"))
PRIORITY = 5  # of what is added without one
CURRENCIES = {"XASX": "AUD", "XNYS": "USD", "XNAS": "USD", "XCBF": "USD"}  # where the currency need not be said


def run(context: Context) -> Result:
    command = {"list": _list, "add": _add, "remove": _remove, "set": _set, "import": _import, "lint": _lint}
    return command[context.args.command](context)


def import_list(connection: Connection, name: str, rows: Sequence[Watched], now: datetime, *, dry_run: bool = False) -> tuple[int, list[str]]:
    """Puts the rows on the list; returns how many changed, and the symbols that stand on it and not in `rows`: they
    stay. A second time nothing changes. UsageError names every symbol that is not in the universe."""
    with connection.transaction(force_rollback=dry_run):
        changed = watchlist.put(connection, name, rows, now)
        wanted = {each.symbol for each in rows}
        others = [each.symbol for each in watchlist.load(connection, name).get(name, []) if each.symbol not in wanted]
    return changed, others


def instrument_for(
    connection: Connection, text: str, exchange: str, currency: str, *, is_index: bool = False
) -> tuple[str, Listed | None]:
    """The symbol of what a person names by code and exchange, and the row to be made when it is not in the universe yet.

    A code whose plain symbol belongs to another exchange becomes CODE.EXCHANGE. UsageError: an unknown exchange.
    """
    symbol, listed = symbols.valid(text), symbols.load_listed(connection)
    there = listed.get(symbol)
    if there is not None and universe.home(there) != exchange:
        symbol = f"{symbol}.{exchange}"
        there = listed.get(symbol)
    if there is not None:
        return symbol, None
    calendar = calendar_of(exchange, currency)
    money = currency or CURRENCIES.get(calendar, "")
    if not money:
        raise UsageError(f"the currency of {symbol} on {exchange} is not known", hint="--currency")
    if is_index:  # which is computed at one place, and has no route
        return symbol, Listed(symbol, "", exchange, "", money, "IND", "Index", calendar, None, None, None, None)
    route = exchange if calendar == "XASX" else "SMART"  # elsewhere one venue sees only its own part of the volume
    return symbol, Listed(symbol, "", route, exchange, money, "STK", "", calendar, None, None, None, None)


def _list(context: Context) -> Result:
    lists = watchlist.load(context.connection, _name(context))
    if context.args.name and not lists:
        raise UsageError(f"there is no watch-list {context.args.name}{_near(context, context.args.name)}", hint="bin/watchlist list")
    known = symbols.load_known(context.connection, context.clock.now())
    today = context.clock.now().date()
    rows = [
        {"name": name, **row._asdict(), "not_collected": lint.reason(known[row.symbol], today)}
        for name, found in lists.items()
        for row in found
    ]
    form = context.args.form
    if rows or form != "text":
        print(listing.render(rows, IMPORTABLE if form == "csv" and context.args.name else COLUMNS, form))
    return Result() if rows else tell("no watch-list yet: bin/watchlist import etc/watchlists/asx_professional.csv")


def _add(context: Context) -> Result:
    name, args, now, connection = _name(context), context.args, context.clock.now(), context.connection
    assert name is not None
    with connection.transaction(force_rollback=args.dry_run):
        added = []
        wanted = [symbols.valid(each) for each in args.symbol]
        if args.index and not args.exchange:
            raise UsageError("an index needs its exchange", hint="--exchange CBOE --index")
        if args.exchange:
            found = [
                instrument_for(connection, each, args.exchange.upper(), args.currency.upper(), is_index=args.index) for each in wanted
            ]
            wanted, added = [symbol for symbol, _ in found], [row for _, row in found if row is not None]
            symbols.store_listed(connection, added, now)
        known = symbols.load_known(connection, now)
        unknown = [each for each in wanted if each not in known]
        if unknown:
            near = "; ".join(f"{each} is not in the universe{table.nearest(each, list(known))}" for each in unknown)
            raise UsageError(near, hint=f"for a new share say where it is listed: --exchange ASX; bin/symbols show {unknown[0]}")
        before = {each.symbol: each for each in watchlist.load(connection, name).get(name, [])}
        rows = [_changed(before.get(each, Watched(each, PRIORITY)), context) for each in wanted]
        changed = watchlist.put(connection, name, rows, now)
    lines = [f"{each.symbol} is new in the universe: bin/symbols qualify --symbol {each.symbol}" for each in added]
    lines += [f"{each}: {why}" for each in wanted if (why := lint.reason(known[each], now.date()))]
    verb = "would be put on" if args.dry_run else "put on"
    text = f"{changed} {verb} {name}" if changed else _nothing(wanted, name)
    return tell("\n".join([text, *lines]))


def _set(context: Context) -> Result:
    name, connection = _name(context), context.connection
    assert name is not None
    before = {each.symbol: each for each in watchlist.load(connection, name).get(name, [])}
    wanted = [symbols.valid(each) for each in context.args.symbol]
    missing = [f"{each} is not on {name}{table.nearest(each, list(before))}" for each in wanted if each not in before]
    if missing:
        raise UsageError("; ".join(missing), hint=f"bin/watchlist list --name {name}")
    rows = [_changed(before[each], context) for each in wanted]
    if rows == [before[each] for each in wanted]:
        return tell(_nothing(wanted, name))
    with connection.transaction(force_rollback=context.args.dry_run):
        changed = watchlist.put(connection, name, rows, context.clock.now())
    return tell(f"{changed} {'would be changed' if context.args.dry_run else 'changed'} on {name}")


def _remove(context: Context) -> Result:
    name = _name(context)
    assert name is not None
    with context.connection.transaction(force_rollback=context.args.dry_run):
        gone = watchlist.remove(context.connection, name, context.args.symbol)
    return tell(f"{gone} {'would be taken' if context.args.dry_run else 'taken'} off {name}; what is stored stays")


def _import(context: Context) -> Result:
    lines, changed, problems = [], 0, []
    if context.args.name and len(context.args.files) > 1:
        raise UsageError("--name names one watch-list, there are several files", hint="one call a file")
    read: list[tuple[str, list[Watched]]] = []
    for path in context.args.files:
        rows, wrong = universe.read_watched(str(path), read_limited(path))
        problems += [str(each) for each in wrong]
        read.append((_name(context) or _name_of(path), rows))
    if problems:
        return Result(f"{len(problems)} problems, nothing was imported", Exit.USAGE, problems, hint="correct the files and run it again")
    for name, rows in read:
        done, others = import_list(context.connection, name, rows, context.clock.now(), dry_run=context.args.dry_run)
        changed += done
        verb = "would change" if context.args.dry_run else "changed"
        lines.append(f"{name}: {done} of {len(rows)} {'row' if len(rows) == 1 else 'rows'} {verb}" if done else f"{name}: nothing changes, {_count(rows)} so already")
        if others:
            lines.append(f"{name}: not in the file, and left on the list: {', '.join(others)}")
    return tell("\n".join(lines))


def _nothing(wanted: Sequence[str], name: str) -> str:
    return f"nothing changes: {', '.join(wanted)} {'stands' if len(wanted) == 1 else 'stand'} on {name} so already"


def _count(rows: Sequence[Watched]) -> str:
    return "1 row stands" if len(rows) == 1 else f"{len(rows)} rows stand"


def _lint(context: Context) -> Result:
    everything = view(context.connection, context.clock.now())
    lists = {name: rows for name, rows in everything.watchlists.items() if context.args.name in (None, name)}
    if context.args.name and not lists:
        raise UsageError(f"there is no watch-list {context.args.name}{_near(context, context.args.name)}", hint="bin/watchlist list")
    found = lint.findings(everything._replace(watchlists=lists, watched_only=True))
    return findings_result(found, context.args.form, context.args.name or "the watch-lists")


def _changed(row: Watched, context: Context) -> Watched:
    """The row with what the command line says; what it does not say stays."""
    fields = ("priority", "collect_1min", "collect_5min", "depth", "notes", "daily_years", "intraday_days")
    said = {name: value for name in fields if (value := getattr(context.args, name)) is not None}
    if "notes" in said:
        try:
            table.words(said["notes"])
        except ValueError as problem:
            raise UsageError(f"--notes: {problem}") from None
    return row._replace(**said)


def _name(context: Context) -> str | None:
    name: str | None = context.args.name
    try:
        return name if name is None else table.name(name)
    except ValueError as problem:
        raise UsageError(str(problem)) from None


def _name_of(path: Path) -> str:
    try:
        return table.name(path.stem)
    except ValueError as problem:
        raise UsageError(f"{path}: {problem}", hint="--name NAME") from None


def _near(context: Context, name: str) -> str:
    return table.nearest(name, list(watchlist.load(context.connection)))
