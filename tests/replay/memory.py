"""A source that is made up on the spot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scizor.market.types import Bar, Kind, Session, Timeframe
from scizor.replay.sources import ContractRow, Pattern, matches

SYDNEY = ZoneInfo("Australia/Sydney")
FIRST = date(2015, 1, 1)


@dataclass
class MemorySource:
    """Every weekday is a session, 10:00 to 16:00 Sydney with an auction to 16:11. A daily bar's close is 10 + its ordinal in
    hundredths, so every bar can be told from every other; contracts differ by 100."""

    rows: list[ContractRow] = field(default_factory=lambda: [
        ContractRow(4036812, "BHP", "ASX", "AUD", "XASX", "Australia/NSW", "BHP GROUP LTD", isin="AU000000BHP4"),
        ContractRow(4036818, "CBA", "ASX", "AUD", "XASX", "Australia/NSW", "COMMONWEALTH BANK"),
        ContractRow(999, "BHP", "NYSE", "USD", "XNYS", "US/Eastern", "BHP ADR \N{LATIN SMALL LETTER E WITH ACUTE}"),
    ])  # fmt: skip
    label: str = "simulated, made up by a test"
    calls: int = 0

    def contracts(self, pattern: Pattern, today: date) -> list[ContractRow]:
        return [each for each in self.rows if matches(each, pattern)]

    def sessions(self, con_id: int, first: date, last: date) -> list[Session]:
        days = (max(first, FIRST) + timedelta(days=n) for n in range((last - max(first, FIRST)).days + 1))
        return [_session(day) for day in days if day.weekday() < 5]

    def bars(
        self, con_id: int, timeframe: Timeframe, kind: Kind, regular_hours: bool, first: date, last: date, now: datetime
    ) -> list[Bar]:
        self.calls += 1
        found: list[Bar] = []
        step = {Kind.BID: -0.01, Kind.ASK: 0.01}.get(kind, 0.0)
        for session in self.sessions(con_id, first, last):
            price = 10 + con_id % 10 * 100 + session.session_date.toordinal() % 1000 / 100 + step
            bar = Bar(session.session_date, price, price + 0.05, price - 0.05, price + 0.02, 948837.22, price, 321)
            if timeframe is Timeframe.DAY1:
                if session.open < now:
                    found.append(bar)
                continue
            start = session.open
            while start < session.last and start < now:
                found.append(bar._replace(start=start, volume=1000.0))
                start += timedelta(seconds=timeframe.seconds)
        return found

    def head(self, con_id: int, kind: Kind) -> datetime | None:
        return None if con_id == 999 else _session(FIRST).open

    def last_session(self) -> date:
        return date(2025, 1, 15)


def _session(day: date) -> Session:
    def at(hour: int, minute: int) -> datetime:
        return datetime.combine(day, time(hour, minute), SYDNEY).astimezone(UTC)

    return Session("XASX", day, at(10, 0), at(16, 0), at(16, 11))
