"""The key figures: what each is, what was promised, and how it is read from the facts of the checks. Pure, but for nothing.

One table. Where users were promised a number it stands here as it was promised; limits that nobody promised are marked "ours". What cannot be
measured before there is a live daemon is named and not invented: it has no value, and its meaning says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from scizor.base.errors import ScizorError
from scizor.db.health import Kpi, Limit, Spread
from scizor.ib.pulse import Pulse as GatewaySeen
from scizor.jobs.checks import data
from scizor.jobs.checks.host import Load, Place
from scizor.jobs.checks.words import Moment

NO_DAEMON = "no daemon yet: not measured"

LIMITS: tuple[Limit, ...] = (
    Limit("completeness", "%", False, 99.5, 98, 95, "daily bars of the last 20 sessions that are stored or explained, by calendar"),
    Limit("uptime", "%", False, 99.9, 99, 95, "the Gateway answered and reached IB, in market hours of the last 7 days, since bin/health looks"),
    Limit("pacing_hard", "%", True, 80, 90, 95, "of the requests that IB's rule allows in its window"),
    Limit("pacing_open", "%", True, 80, 90, 95, "of the requests that may be open at once"),
    Limit("data_age", "h", True, 24, 48, 96, "how long the newest due session has waited for its daily bars, by calendar (limits: ours)"),
    Limit("invalid", "%", True, 0.1, 0.5, 1, "bars refused or wrong in the newest quality report, by bar size"),
    Limit("error_rate", "%", True, 1, 5, 20, "requests of the last day that failed (limits: ours)"),
    Limit("database_write", "ms", True, 10, 500, 2000, "one small transaction, until it is on disk"),
    Limit("gateway_answer", "ms", True, 1000, 2000, 4000, "from asking the Gateway for the time to its answer (limits: ours)"),
    Limit("gateway_up", "", False, None, None, None, "1: the Gateway answered and reaches IB; 0: not"),
    Limit("memory", "%", True, 70, 85, 95, "of this machine"),
    Limit("cpu", "%", True, 60, 200, 400, "runnable tasks of the last minute for each core (alert: ours)"),
    Limit("network", "%", True, 50, 80, 95, "of the fastest interface that says how fast it is (alert: ours)"),
    Limit("network_rate", "B/s", True, None, None, None, "in and out, over a quarter of a second"),
    Limit("disk_used", "%", True, 80, 90, 95, "of the filesystem, by what lies on it (limits: ours)"),
    Limit("disk_free_bytes", "B", False, None, None, None, "of the filesystem, by what lies on it"),
    Limit("database_bytes", "B", True, None, None, None, "the whole database"),
    Limit("redis_bytes", "B", True, 1e9, 1e9, None, "in use by Redis"),
    Limit("tick_latency_p95", "ms", True, 50, 500, 2000, f"exchange to us, 95th percentile: {NO_DAEMON}"),
    Limit("tick_rate", "%", False, 100, 50, 10, f"ticks a second against the symbol's usual rate: {NO_DAEMON}"),
    Limit("live_data_age", "min", True, 10, 10, None, f"newest live bar in market hours: {NO_DAEMON}"),
)  # fmt: skip

KNOWN = {each.name: each for each in LIMITS}
QUERIES = ("kpi_completeness", "kpi_quality", "kpi_requests", "kpi_uptime")


def grade(limit: Limit, value: float) -> str:
    """target: as promised; fair: between that and the alert; alert, critical; none: nothing was promised."""
    if limit.target is None and limit.alert is None and limit.critical is None:
        return "none"
    sign = 1 if limit.is_less_better else -1

    def beyond(mark: float | None) -> bool:
        return mark is not None and sign * value > sign * mark

    return "critical" if beyond(limit.critical) else "alert" if beyond(limit.alert) else "fair" if beyond(limit.target) else "target"


def kpi(name: str, value: float, scope: str = "") -> Kpi:
    limit = KNOWN[name]
    return Kpi(name, scope, float(value), limit.unit, grade(limit, float(value)))


def measure(facts: Mapping[str, Any], moment: Moment) -> list[Kpi]:
    """Every figure that the facts bear out. facts: by query or check, as `look` collected them; an error is no fact."""
    had = {name: each for name, each in facts.items() if not isinstance(each, ScizorError)}
    found: list[Kpi] = []
    for name, expected, stored in had.get("kpi_completeness", ()):
        found.append(kpi("completeness", 100.0 * stored / expected, name))
    for timeframe, expected, invalid in had.get("kpi_quality", ()):
        found.append(kpi("invalid", 100.0 * invalid / expected, timeframe))
    for requests, failed in had.get("kpi_requests", ()):
        if requests:
            found.append(kpi("error_rate", 100.0 * failed / requests))
    for name, due, last, symbols, stored, *_ in had.get("check_newest", ()):
        if due is not None:
            is_there = 100.0 * stored / symbols >= 99.5
            found.append(kpi("data_age", 0.0 if is_there else (moment.now - last) / timedelta(hours=1), name))
    if had.get("check_pacing"):
        hard, slots = data.percent_of_pacing(had["check_pacing"], moment)
        found += [kpi("pacing_hard", hard), kpi("pacing_open", slots)]
    if had.get("kpi_uptime"):
        share = uptime(had["kpi_uptime"], moment.now)
        if share is not None:
            found.append(kpi("uptime", share))
    if had.get("check_server"):
        found.append(kpi("database_bytes", had["check_server"][0][4]))
    return found + _of_machine(facts, had)


def _of_machine(facts: Mapping[str, Any], had: Mapping[str, Any]) -> list[Kpi]:
    found: list[Kpi] = []
    if "gateway" in facts:
        seen = facts["gateway"]
        is_up = isinstance(seen, GatewaySeen) and seen.is_upstream
        found.append(kpi("gateway_up", float(is_up)))
        if isinstance(seen, GatewaySeen):
            found.append(kpi("gateway_answer", seen.answered_ms))
    load: Load | None = had.get("memory")
    if load is not None:
        found += [kpi("memory", load.memory), kpi("cpu", load.cpu), kpi("network_rate", load.bytes_per_second)]
        if load.network is not None:
            found.append(kpi("network", load.network))
    places: Sequence[Place] = had.get("disk", ())
    for each in places:
        if each.total:
            found += [kpi("disk_used", 100.0 * (1 - each.free / each.total), each.name), kpi("disk_free_bytes", each.free, each.name)]
    redis = had.get("redis")
    if redis is not None and "used_memory" in redis.info:
        found.append(kpi("redis_bytes", float(redis.info["used_memory"])))
    return found


def uptime(rows: Sequence[tuple[Any, ...]], now: datetime) -> float | None:
    """Percent of the market hours since bin/health looks, in which no outage lasted; None before there are any.

    rows: kpi_uptime. Hours of several exchanges that overlap count once.
    """
    looked = next((first for what, _, first, _ in rows if what == "looked" and first is not None), None)
    if looked is None:
        return None
    hours = _merged([(max(opens, looked), min(closes, now)) for what, _, opens, closes in rows if what == "session"])
    known = data.outages([(at, event, None, "") for what, event, at, _ in rows if what == "event"])
    down = _merged([(each.start, each.end or now) for each in known])
    whole = sum(((end - start).total_seconds() for start, end in hours), 0.0)
    if not whole:
        return None
    lost = sum(max(0.0, (min(end, to) - max(start, since)).total_seconds()) for start, end in hours for since, to in down)
    return 100.0 * (1 - lost / whole)


def _merged(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Without overlaps, oldest first; empty ones are dropped."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def table() -> str:
    """The README's table of figures, made from the list above; a test compares the two."""
    lines = ["| figure | target | alert | critical | what it is |", "|---|---|---|---|---|"]
    for each in LIMITS:
        if each.target is not None:
            better, worse = ("<", ">") if each.is_less_better else (">", "<")
            alert, critical = (f"{worse} {_number(mark)}" if mark is not None else "" for mark in (each.alert, each.critical))
            lines.append(f"| `{each.name}` | {better} {_number(each.target)} {each.unit} | {alert} | {critical} | {each.meaning} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1e6 else f"{value:g}"


# ---- latencies -------------------------------------------------------------------------------------------------------

LOWEST_US, HIGHEST_US, DIGITS = 1, 60_000_000, 3


def added(histogram: str | None, samples_ms: Sequence[float]) -> Spread:
    """The spread of an hour with more samples in it. Histograms are added up, percentiles never averaged; three digits, 1 us to 60 s.

    A histogram that cannot be read is as good as none: the hour begins anew.
    """
    import zlib

    from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
    from hdrh.histogram import HdrHistogram

    whole = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    if histogram:
        try:
            whole.add(HdrHistogram.decode(histogram.encode()))
        except (ValueError, IndexError, zlib.error, HdrCookieException, HdrHistogramSettingsException, HdrLengthException):
            whole.reset()
    for each in samples_ms:
        whole.record_value(min(HIGHEST_US, max(LOWEST_US, round(each * 1000))))
    p50, p95, p99 = (whole.get_value_at_percentile(mark) / 1000 for mark in (50, 95, 99))
    return Spread(whole.get_total_count(), p50, p95, p99, whole.get_max_value() / 1000, whole.encode().decode())
