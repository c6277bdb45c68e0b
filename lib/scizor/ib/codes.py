"""IB's codes are a table: what stands on the wire, what it means, what we do, what a person does.

The texts are those seen on the wire, which differ from IB's documentation. 162 and 420 carry five different answers in
one code; they are read by their English tail. IB translates these texts: one that is not understood is an error that is
tried again, never "no data".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scizor.market.types import OutcomeKind


class Action(StrEnum):
    """What the code makes us do."""

    LOG = "log"  # keep it in the log
    STATE = "state"  # the state of the connection or of a farm changes
    SLOW_DOWN = "slow-down"  # wait for the budget, then ask again
    RETRY = "retry"  # ask again, with attempts and a next time
    CONFIRM = "confirm"  # a second fetch, twelve hours later or more, must say the same
    SKIP = "skip"  # leave the instrument out and tell a person
    ALERT = "alert"  # tell a person now; later requests may work again
    FIX = "fix"  # our request is wrong: a bug; asking again cannot help
    NEW_ID = "new-id"  # another client id
    RECONNECT = "reconnect"
    RELEASE = "release"  # a line, book or stream must be given back first
    RESUBSCRIBE = "resubscribe"


@dataclass(frozen=True, slots=True)
class Code:
    """One code. kind: how it ends a request that carries it, None where the request lives on. permanent: asking again
    soon cannot help."""

    code: int
    seen: str
    meaning: str
    action: Action
    hint: str = ""
    kind: OutcomeKind | None = OutcomeKind.ERROR
    is_permanent: bool = False


@dataclass(frozen=True, slots=True)
class Tail:
    """What 162 and 420 mean, told by a piece of their text (compared in lower case)."""

    text: str
    meaning: str
    kind: OutcomeKind
    action: Action
    hint: str = ""
    is_permanent: bool = False


_PERMISSION = "subscribe to the exchange's data in Account Management, for the login that the Gateway uses"

#: In order of precedence: a text that names two causes is never read as "no data".
TAILS = (
    Tail("no market data permissions", "no subscription for this exchange", OutcomeKind.NO_PERMISSION, Action.SKIP, _PERMISSION, True),
    Tail("different ip address", "another TWS session of this login holds the data", OutcomeKind.ERROR, Action.ALERT, "log the other session out"),
    Tail("pacing violation", "too many requests", OutcomeKind.PACING, Action.SLOW_DOWN, "is another program using the same login?"),
    Tail("invalid step", "bar size and duration do not go together", OutcomeKind.ERROR, Action.FIX, "", True),
    Tail("query cancelled", "our cancel, or IB gave up", OutcomeKind.CANCELLED, Action.RETRY),
    Tail("query returned no data", "nothing there, until a second fetch says so too", OutcomeKind.EMPTY_UNCONFIRMED, Action.CONFIRM),
)  # fmt: skip

_TAILED = (162, 420)


def _state(code: int, seen: str, meaning: str, hint: str = "") -> Code:
    return Code(code, seen, meaning, Action.STATE, hint, kind=None)


def _log(code: int, seen: str, meaning: str) -> Code:
    return Code(code, seen, meaning, Action.LOG, kind=None)


def _no_permission(code: int, seen: str) -> Code:
    return Code(code, seen, "no market data subscription", Action.SKIP, _PERMISSION, OutcomeKind.NO_PERMISSION, True)


def _bug(code: int, seen: str, meaning: str) -> Code:
    return Code(code, seen, meaning, Action.FIX, "report it with the log", is_permanent=True)


_ALL = (
    _log(0, "Warning: Approaching max rate of 50 messages per second (44)", "messages come close to the limit"),
    Code(100, "Max rate of messages per second has been exceeded:max=50 rec=138 (1)", "too many messages; the third time IB hangs up", Action.SLOW_DOWN, kind=OutcomeKind.PACING),
    Code(101, "Max number of tickers has been reached.", "all market data lines are taken", Action.RELEASE, "close watch-lists in TWS, or subscribe to fewer symbols"),
    _bug(102, "Duplicate ticker ID.", "a request id was used twice"),
    Code(162, "Historical Market Data Service error message:…", "read by its tail", Action.RETRY),
    _log(165, "Historical Market Data Service query message…", "a remark on a query that goes on"),
    Code(166, "HMDS expired contract violation", "history of an expired contract", Action.SKIP, is_permanent=True),
    Code(200, "No security definition has been found for the request", "unknown or ambiguous contract; near a reset also a valid one", Action.SKIP, "bin/symbols lint names codes that moved", is_permanent=True),
    Code(202, "Order Canceled - reason:", "an order was cancelled; we never send one", Action.LOG, kind=None),
    Code(203, "The security is not available or allowed for this account.", "this account may not see the contract", Action.SKIP, is_permanent=True),
    _log(300, "Can't find EId with tickerId:10009", "a cancel met a request that was already over"),
    Code(309, "Max number (3) of market depth requests has been reached.", "all depth books are taken", Action.RELEASE),
    _log(310, "Can't find the subscribed market depth with tickerId:", "a cancel met a book that was already gone"),
    Code(316, "Market depth data has been HALTED. Please re-subscribe.", "the book is dead", Action.RESUBSCRIBE),
    Code(317, "Market depth data has been RESET. Please empty deep book contents before applying any new entries.", "the book starts anew", Action.RESUBSCRIBE, kind=None),
    _bug(320, "Error reading request:Message type -1. Unable to parse data.", "the Gateway could not read our message"),
    _bug(321, "Error validating request.-'bN' : cause - …", "the Gateway refuses our request"),
    Code(322, "Error processing request.-'wd' : cause - Only 50 simultaneous API historical data requests allowed.", "no open slot", Action.SLOW_DOWN, kind=OutcomeKind.PACING),
    Code(326, "Unable to connect as the client id is already in use. Retry with a unique client id.", "client id in use", Action.NEW_ID, "another job, or one that died a moment ago, holds it"),
    _no_permission(354, "Requested market data is not subscribed.Delayed market data is not available.WBD NASDAQ.NMS/TOP/ALL"),
    Code(365, "No scanner subscription found for ticker id:2223", "a cancel met a request that was already over", Action.LOG, kind=None),
    Code(366, "No historical data query found for ticker id:2223", "the Gateway lost the query, or it was already over", Action.RETRY),
    _bug(386, "Duplicate ticker ID for API historical data query", "a request id was used twice"),
    Code(399, "Order Message:", "a remark on an order; we never send one", Action.LOG, kind=None),
    _bug(414, "Snapshot market data subscription is not applicable to generic ticks", "a contradictory request"),
    Code(420, "Invalid Real-time Query:…", "read by its tail", Action.RETRY),
    Code(430, "The fundamentals data for the security specified is not available.", "no fundamentals", Action.SKIP, is_permanent=True),
    Code(502, "Couldn't connect to TWS.", "made by client libraries, never on the wire", Action.RECONNECT),
    Code(504, "Not connected", "made by client libraries, never on the wire", Action.RECONNECT),
    Code(507, "Bad message length", "made by client libraries at an end of file", Action.RECONNECT),
    _state(1100, "Connectivity between IBKR and Trader Workstation has been lost.", "the Gateway has lost IB", "wait: it comes back by itself, except on Sundays"),
    _state(1101, "Connectivity between IBKR and Trader Workstation has been restored - data lost.", "IB is back; subscriptions are gone"),
    _state(1102, "Connectivity between IBKR and Trader Workstation has been restored - data maintained.", "IB is back; subscriptions live"),
    Code(1300, "TWS socket port has been reset and this connection is being dropped.", "the port changed", Action.RECONNECT, "set gateway.port to the new port"),
    _log(2100, "API client has been unsubscribed from account data.", "account data ended"),
    _state(2103, "Market data farm connection is broken:usfarm", "live data of that farm stops"),
    _state(2104, "Market data farm connection is OK:usfarm", "live data of that farm flows"),
    _state(2105, "HMDS data farm connection is broken:ushmds", "no new history until it is back"),
    _state(2106, "HMDS data farm connection is OK:ushmds", "history is there"),
    _state(2107, "HMDS data farm connection is inactive but should be available upon demand.ushmds", "history is there on demand"),
    _state(2108, "Market data farm connection is inactive but should be available upon demand.hfarm", "live data is there on demand"),
    _state(2110, "Connectivity between Trader Workstation and server is broken. It will be restored automatically.", "the Gateway has lost IB", "wait"),
    _state(2119, "Market data farm is connecting:usfarm", "live data of that farm is coming"),
    _log(2129, "Market data farm …", "a remark on a contract"),
    _log(2152, "Exchanges - Depth: IEX; Top: BYX; Need additional market data permissions - Depth: NASDAQ;", "which books are missing"),
    _state(2157, "Sec-def data farm connection is broken:secdefnj", "contract details may fail"),
    _state(2158, "Sec-def data farm connection is OK:secdefnj", "contract details are there"),
    _log(2174, "Warning: You submitted request with date-time attributes without explicit time zone.", "a time without zone"),
    _log(2176, "Warning: Your API version does not support fractional share size rules.", "sizes are cut to whole shares"),
    _no_permission(10089, "Requested market data requires additional subscription for API. See link in 'Market Data Connections' dialog for more details."),
    _log(10090, "Part of requested market data is not subscribed. Subscription-independent ticks are still active.", "some ticks are missing"),
    _no_permission(10091, "Part of requested market data requires additional subscription for API."),
    Code(10092, "Deep market data is not supported for this combination of security type/exchange", "no depth here", Action.SKIP, is_permanent=True),
    _no_permission(10167, "Requested market data is not subscribed. Displaying delayed market data."),
    _no_permission(10168, "Requested market data is not subscribed.Delayed market data is not enabled."),
    Code(10182, "Failed to request live updates (disconnected).", "that stream is dead though the socket lives", Action.RESUBSCRIBE),
    _no_permission(10186, "Requested market data is not subscribed. Delayed market data is not enabled"),
    _no_permission(10187, "Failed to request historical ticks:No market data permissions for ISLAND STK"),
    _no_permission(10189, "Failed to request tick-by-tick data.No market data permissions for ISLAND STK."),
    Code(10190, "Max number of tick-by-tick requests has been reached.", "all tick-by-tick streams are taken", Action.RELEASE),
    Code(10197, "No market data during competing live session", "another login took the market data", Action.ALERT, "log the other session out; closing its window is not enough"),
    Code(10225, "Bust event occurred, current subscription is deactivated.", "that stream is dead", Action.RESUBSCRIBE),
    Code(10349, "Order TIF was set to DAY based on order preset.", "a remark on an order; we never send one", Action.LOG, kind=None),
)  # fmt: skip

TABLE: dict[int, Code] = {each.code: each for each in _ALL}


def read(code: int, text: str) -> Code | Tail | None:
    """The row that speaks of it: the tail for 162 and 420, else the code; None where nobody has met it yet."""
    if code in _TAILED:
        small = text.lower()
        for tail in TAILS:
            if tail.text in small:
                return tail
    return TABLE.get(code)


def outcome_of(code: int, text: str) -> tuple[OutcomeKind, bool]:
    """How an error ends the request that it names, and whether trying again soon is pointless."""
    row = read(code, text)
    if code == 322 and "duplicate" in text.lower():
        return OutcomeKind.ERROR, True
    if row is None or row.kind is None:
        return OutcomeKind.ERROR, False
    return row.kind, row.is_permanent


def ends_request(code: int, text: str) -> bool:
    """False for remarks, after which the answer still comes. Unknown codes end it, except in the 2100s (notices)."""
    row = read(code, text)
    if row is None:
        return not 2100 <= code < 2200
    return row.kind is not None


def is_known(code: int) -> bool:
    return code in TABLE


def explain(code: int, text: str) -> str:
    """One line for a log or a mail: IB's words, our meaning, and what to do."""
    row = read(code, text)
    if row is None:
        return f"IB {code} (unknown code): {text}"
    return f"IB {code}: {text} [{row.meaning}]" + (f". HINT: {row.hint}" if row.hint else "")
