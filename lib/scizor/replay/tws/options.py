"""What a gateway may be told. Seconds are the gateway's clock's seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scizor.ib.wire import VERSION_MAX
from scizor.replay.tws.faults import Rule

REGIMES = ("hard", "soft", "strict")


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """port: 0 takes any free one. account: neither U… nor DU…, unless a test of modes wants to be refused.

    regime: hard, IB's published rule where IB publishes it (bars of 30 s and less, every head timestamp); soft, the same,
    and a history service that gets slow (the next four); strict, the published rule for every historical request.
    service_seconds, bar_seconds: what an answer costs, and each bar in it. collapse_above: with more requests than that in
    service, together they get only 1/collapse_factor of what collapse_above would; None: never.
    message_rule: reject (error 100, the third closes) or pace (delays).
    zone: of the Gateway's login, for times without a zone.
    What is not established of the real one, for a client that must not assume it: auction_is_regular: hours, SCHEDULE and
    regular-hours bars end with the closing auction, else before it; zero_bars: a minute without a trade has a bar, else
    none; unfinished_bar: the bar that is being made is sent; end_is_inclusive: so is the bar that begins at the end asked
    for; serves_schedule: else error 321; stated_end_factor: an answer takes so many times as long when an end was stated;
    unentitled: exchanges without market data permission.
    """

    host: str = "127.0.0.1"
    port: int = 14002
    account: str = "RP0000001"
    regime: str = "hard"
    version_max: int = VERSION_MAX
    clients_max: int = 32  # IB's
    open_max: int = 50  # IB's, over the login
    messages_per_second: int = 50  # IB's at 100 market-data lines, per connection
    message_rule: str = "reject"
    service_seconds: float = 0.0
    bar_seconds: float = 0.0
    collapse_above: int | None = None
    collapse_factor: float = 10.0
    zone: str = "Australia/Sydney"
    auction_is_regular: bool = True
    zero_bars: bool = True
    unfinished_bar: bool = False
    end_is_inclusive: bool = False
    serves_schedule: bool = True
    stated_end_factor: float = 1.0
    unentitled: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    script: Path | None = None
    report: Path | None = None
