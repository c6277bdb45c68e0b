"""bin/explain: where one number came from: request, run, payload, checks, revisions, restatements, comparisons; or why it
is not there."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import actions as stored_actions
from scizor.db import explain as stored
from scizor.db import symbols as stored_symbols
from scizor.db.explain import Row
from scizor.jobs import actions
from scizor.market import due, validate
from scizor.market.quality import outliers
from scizor.market.types import Flag, Instrument, Timeframe
from scizor.market.validate import Severity
from scizor.run.context import Context, Result

PRICES = ("open", "high", "low", "close", "volume", "wap", "trades")
COUNTS = ("stored", "revised", "unchanged", "quarantined", "duplicates", "unfinished")


def run(context: Context) -> Result:
    args, connection = context.args, context.connection
    (instrument,) = stored_symbols.load_instruments(connection, context.clock.now(), [args.symbol], inactive=True)
    timeframe = Timeframe(args.timeframe)
    at, day = _when(args.when, timeframe, context.clock.now())
    versions = stored.versions(connection, instrument.symbol_id, timeframe, at)
    session = stored.session(connection, instrument.calendar, at, day)
    day = day or (versions[0]["session_date"] if versions else session["session_date"] if session else at.date())
    found: dict[str, Any] = {
        "symbol": instrument.symbol, "timeframe": str(timeframe), "asked": args.when, "session_date": day, "session": session,
        "versions": versions, "refused": stored.refused(connection, instrument.symbol_id, timeframe, at),
        "known": stored.known(connection, instrument.symbol_id, timeframe, day),
        "reconciled": stored.reconciled(connection, instrument.symbol_id, timeframe, day),
        "traded": stored.traded(connection, instrument.symbol_id, timeframe, versions[0]["timestamp"]) if versions else None,
        "actions": [
            actions.described(each) for each in stored_actions.load(connection, symbols=[instrument.symbol])
            if each.state == "confirmed" and each.ex_date > day
        ],
    }  # fmt: skip
    if args.json:
        print(json.dumps(found, indent=1, default=_plain))
    else:
        print("\n".join(_lines(found, instrument)))
    if versions or is_explained(found):
        return Result()
    return Result(f"{instrument.symbol} {timeframe} {args.when}: no such bar is stored", Exit.FINDING, _absent(found), hint=_hint(found))


def is_explained(found: Row) -> bool:
    """Whether nothing is missing although no bar is there."""
    session, known = found["session"], found["known"]
    return session is None or session["closed"] is not None or bool(known and known["is_explained"])


def _when(text: str, timeframe: Timeframe, now: datetime) -> tuple[datetime, date | None]:
    """The instant that a person means, and the day where he means a session."""
    if timeframe is Timeframe.DAY1:
        day = due.parse_date(text[:10] if "T" in text else text, due.latest_today(now))
        return datetime.combine(day, time(), UTC), day
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no instant", hint="write 2024-03-04T00:31Z") from None
    if at.tzinfo is None:
        raise UsageError(f"{text!r} has no zone: it means an hour that nobody stated", hint="write 2024-03-04T00:31Z, or +11:00 for Sydney")
    return at.astimezone(UTC), None


def _lines(found: Row, instrument: Instrument) -> list[str]:
    lines = [f"{found['symbol']} {found['timeframe']} {found['asked']}: {_session(found, instrument)}"]
    seen: set[tuple[object, ...]] = set()
    for each in found["versions"]:
        key = (each["kind"], each["source"], each["regular_hours"], each["timestamp"])
        lines += _version(each) if key not in seen else _former(each)
        if key not in seen and each["is_official"]:
            lines += _basis(found, each)
        seen.add(key)
    if not found["versions"]:
        lines += _line("bar", f"none is stored: {'; '.join(_absent(found)) or 'nobody expected one'}")
    for each in found["refused"]:
        verdict = f"; {each['verdict']} by {each['verdict_by']}" if each["verdict"] else ""
        lines += _line("refused", f"{each['rule']} ({_meaning(each['rule'])}): {each['raw']}, request {each['request_id']}, first seen {_at(each['first_seen_at'])}{verdict}")
    for each in found["reconciled"]:
        whose = {"ours": f"the {each['timeframe']} bar is wrong", "theirs": f"{each['against']} is wrong", "neither": "both are right", "unknown": "nobody knows who is wrong"}
        lines += _line("compared", f"{each['timeframe']} against {each['against']}, {each['field']} {_number(each['ours'])} and {_number(each['theirs'])}: {whose[each['wrong']]}: {each['reason']}")
    if found["known"] and found["versions"]:
        lines += _line("session", "complete" if found["known"]["is_complete"] else f"not complete: {found['known']['why'] or 'never asked for as a whole'}")
    return lines


def _version(row: Row) -> list[str]:
    """The newest version of an origin."""
    hours = "regular hours" if row["regular_hours"] else "all hours"
    official = ", official" if row["is_official"] else ""
    lines = _line("bar", f"[{_at(row['timestamp'])}: " + " ".join(f"{name} {_number(row[name])}" for name in PRICES if row[name] is not None) + "]")
    lines += _line("origin", f"{row['kind']} of {row['source']}, {hours}{official}")
    lines += _line("known", f"since {_at(row['known_from'])}, revision {row['revision']}{_restated(row)}")
    lines += _request(row)
    hard = [each.name for each in validate.RULES if each.severity is Severity.HARD]
    flags = [f"{name} ({_meaning(name)})" for name in (each.name.lower() for each in Flag if each.name and row["flags"] & each)]
    lines += _line("checked", f"{len(hard)} rules passed as it was stored; doubts: {', '.join(flags) or 'none'}")
    return lines


def _former(row: Row) -> list[str]:
    values = " ".join(f"{name} {_number(row[name])}" for name in PRICES if row[name] is not None)
    return _line("revision", f"{row['revision']}, known {_at(row['known_from'])} to {_at(row['known_to'])}: {values}; request {row['request_id']}{_restated(row)}")


def _restated(row: Row) -> str:
    if not row["restated"]:
        return ""
    how = "multiplied here" if row["restated"] == "converted" else "fetched again"
    return f", {how} for corporate action {row['action_id']} (batch {row['batch']})"


def _request(row: Row) -> list[str]:
    if row["outcome"] is None:
        return _line("request", f"{row['request_id']}: its row is gone")
    window = f"{row['window_start']:%Y-%m-%d %H:%M}..{row['window_end']:%Y-%m-%d %H:%M}" if row["window_start"] else f"{row['start_date']}..{row['end_date']}"
    became = ", ".join(f"{row[each]} {each}" for each in COUNTS if row[each])
    lines = _line(
        "request", f"{row['request_id']}: {row['asked_timeframe']} {window}, attempt {row['attempt']}, asked {_at(row['started_at'])}, "
        f"{row['outcome']} {_at(row['completed_at'])}: {row['records_collected']} bars: {became or 'none'}",
    )  # fmt: skip
    lines += _line("payload", f"sha256 {row['payload_sha256']}" if row["payload_sha256"] else "no hash was kept")
    if row["run_id"] is None:
        return lines + _line("run", "none: it was stored by a tool, not by a job")
    scope = f" {row['scope']}" if row["scope"] else ""
    return lines + _line(
        "run", f"{row['run_id']}: {row['job']}{scope}, started {_at(row['run_started_at'])}, {row['run_outcome']}, code {row['code_version']}, "
        f"{row['host']} pid {row['pid']}; {row['job']}.log, run {row['log_id']}",
    )  # fmt: skip


def _basis(found: Row, row: Row) -> list[str]:
    if row["price_basis"] == "traded":
        return _line("basis", "as traded: this source never adjusts")
    text = f"split-adjusted as of {_at(row['known_from'])}"
    traded = found["traded"]
    if traded and traded["factor"] != 1:
        text += f"; as traded: close {_number(traded['close'])}, volume {_number(traded['volume'])}"
    return _line("basis", "; ".join([text, *found["actions"]]))


def _absent(found: Row) -> list[str]:
    """Why there is no bar, as far as is known."""
    session, known = found["session"], found["known"]
    reasons = []
    if session is None:
        return ["no session of the exchange's calendar lies there"]
    if session["closed"]:
        return [f"the exchange was closed: {session['closed']}"]
    if known and known["why"]:
        asked = f", asked in vain {known['attempts']} times" if known["attempts"] else ""
        again = f", again after {_at(known['next_at'])}" if known["next_at"] else ""
        reasons.append(f"{known['why']}, noticed {_at(known['noticed_at'])} by request {known['request_id']}{asked}{again}")
    elif known and known["is_complete"]:
        reasons.append("its session is complete without it")
    else:
        reasons.append("its session was never asked for")
    return reasons + [f"refused by {each['rule']}" for each in found["refused"]]


def _hint(found: Row) -> str:
    return "bin/quarantine show" if found["refused"] else f"bin/collect-daily --symbol {found['symbol']}" if found["timeframe"] == "1day" else ""


def _session(found: Row, instrument: Instrument) -> str:
    session = found["session"]
    if session is None:
        return f"in no session of {instrument.calendar}"
    if session["closed"]:
        return f"{instrument.calendar} was closed on {found['session_date']}"
    return f"session {session['session_date']} of {instrument.calendar}, {_at(session['open'])} to {_at(session['last'])}"


def _meaning(name: str) -> str:
    if name == "wrong":
        return "a quality report calls its session or series faulty"
    meanings = {each.name: each.meaning for each in outliers.RULES} | {each.name: each.meaning for each in validate.RULES}
    return meanings[name].partition(":")[0] if name in meanings else "a rule of its own"


def _line(name: str, text: str) -> list[str]:
    return [f"  {name:<9} {text}"]


def _at(at: datetime | None) -> str:
    return "unknown" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _number(value: Decimal | int | None) -> str:
    return "none" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def _plain(value: object) -> object:
    """What JSON does not know: decimals as exact text, instants in UTC."""
    if isinstance(value, datetime):
        return _at(value)
    return str(value) if isinstance(value, Decimal | date) else repr(value)

