"""The five signals in the slowest and plainest way there is: lists for the book, every term kept, direct sums over the past.

Nothing here is recursive, rebased or rounded to doubles, and no line is shared with the kernel. A term is an exact number and the
step of the clock in which it came; a signal is a quotient of sums over all terms, each times 2^(-age/2048) in 50 digits. The
clock has whole steps (2^24 ns from the quantum of the first event, and four and sixty-four of them), as facts about the
signals' definition. Sums are O(all terms) for each instant that is asked for, so ask for some instants and not for all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable
from decimal import Context, Decimal, localcontext
from functools import cache

DIGITS = 50
INSERT, UPDATE, DELETE, LEVEL, TRADE, RESET, HALT, RESUME, CLOCK = range(9)
ASK, BID = 0, 1
ODD_LOT = 2
FLOW, TRADES, SLOW = 0, 2, 6  # shifts of the quantum: half-lives of 34 s, 137 s, 2199 s
REFILL_NS = 300_000_000
SLICE_NS = 120_000_000_000
BINS, RING = 32, 8
ZERO = Decimal(0)

#: The names of what `signals` returns, as the kernel's output has them. It returns gross_flow as well: what raw_flow is a
#: difference within, and so the size by which its rounding is to be judged.
NAMES = ("s1", "s2", "s3", "s4", "s5", "kappa", "raw_flow", "n_flow", "n_trades")


@cache
def fraction(steps: int) -> Decimal:
    """2^(-steps/2048) for 0 <= steps < 2048."""
    with localcontext(Context(prec=DIGITS)):
        return Decimal(2) ** (Decimal(-steps) / 2048)


@cache
def halved(times: int) -> Decimal:
    with localcontext(Context(prec=DIGITS)):
        return Decimal(2) ** -times


def decay(steps: int) -> Decimal:
    """2^(-steps/2048)."""
    return fraction(steps & 2047) * halved(steps >> 11)


@cache
def rank_weight(row: int, levels: int) -> Decimal:
    """2^(-row/4); the last row, into which levels come and go by being seen, has none."""
    with localcontext(Context(prec=DIGITS)):
        return ZERO if row >= levels - 1 else Decimal(2) ** (Decimal(-row) / 4)


class Terms:
    """Terms of several sums under one half-life, kept by the step in which they came."""

    def __init__(self, shift: int, *names: str) -> None:
        self.shift, self.names = shift, names
        self.kept: dict[int, dict[str, Decimal]] = {}

    def add(self, quantum: int, name: str, term: Decimal | int) -> None:
        step = self.kept.setdefault(quantum >> self.shift, dict.fromkeys(self.names, ZERO))
        step[name] += term

    def sums(self, quantum: int) -> dict[str, Decimal]:
        now, found = quantum >> self.shift, dict.fromkeys(self.names, ZERO)
        for step, terms in self.kept.items():
            weight = decay(now - step)
            for name, term in terms.items():
                if term:
                    found[name] += term * weight
        return found


class Oracle:
    """One symbol. levels: rows that signals see. is_by_price: the book is known to its end (LEVEL); else it has `levels` rows."""

    def __init__(self, levels: int, *, is_by_price: bool = False) -> None:
        self.levels, self.is_by_price = levels, is_by_price
        self.origin: int | None = None  # the quantum of the first event
        self.book: tuple[list[list[int]], list[list[int]]] = ([], [])  # [price, size], the best first
        self.fast = Terms(FLOW, "flow", "gross", "count")
        self.middle = Terms(TRADES, "signed", "traded", "count", "absorbed", "classified", "sliced", "moved")
        self.slow = Terms(SLOW, "moved", "traded")
        self.spans: list[tuple[Decimal, int, int]] = []  # the depth's imbalance, from one step to another
        self.integrated: int | None = None
        self.sizes: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))  # bin (-1: all), step: prints
        self.ring: deque[tuple[int, int]] = deque(maxlen=RING)  # signed size, ts
        # by passive side: the last print's price, what of it may still be refilled, when
        self.slots = [(0, 0, -(10**30)), (0, 0, -(10**30))]
        # by side: a size that the best row showed, at which price, until when
        self.shown: list[tuple[int, int, int] | None] = [None, None]
        self.last_price: int | None = None
        self.last_sign = 0
        self.last_mid: int | None = None

    # ---------------------------------------------------------------------------------------------------- what happens

    def feed(self, events: Iterable[tuple[int, ...]]) -> None:
        """Records in the order of EVENT. An event that the kernel would refuse is a mistake of the test."""
        with localcontext(Context(prec=DIGITS)):
            for ts, price, size, _, op, side, row, flags in events:
                if self.origin is None:
                    self.origin = ts >> 24
                quantum = (ts >> 24) - self.origin
                if op == TRADE:
                    self.trade(ts, quantum, price, size, side, bool(flags & ODD_LOT))
                elif op in (INSERT, UPDATE, DELETE):
                    self.change(ts, quantum, op, side, row, price, size)
                elif op == LEVEL:
                    self.level(ts, quantum, side, price, size)
                elif op in (RESET, HALT):
                    self.integrate(quantum)
                    self.book[ASK].clear()
                    self.book[BID].clear()
                elif op not in (RESUME, CLOCK):
                    raise ValueError(f"the oracle knows no operation {op}")

    def level(self, ts: int, quantum: int, side: int, price: int, size: int) -> None:
        rows = self.book[side]
        keys = [-row[0] if side == BID else row[0] for row in rows]
        row = bisect_left(keys, -price if side == BID else price)
        if row < len(rows) and rows[row][0] == price:
            self.change(ts, quantum, UPDATE if size else DELETE, side, row, price, size)
        elif size:
            self.change(ts, quantum, INSERT, side, row, price, size)

    def change(self, ts: int, quantum: int, op: int, side: int, row: int, price: int, size: int) -> None:
        rows = self.book[side]
        if row < self.levels:
            self.integrate(quantum)
            self.account(ts, quantum, op, side, row, price, size)
        if op == INSERT:
            rows.insert(row, [price, size])
            if not self.is_by_price:
                del rows[self.levels :]
        elif op == DELETE:
            del rows[row]
        else:
            rows[row] = [price, size]

    def account(self, ts: int, quantum: int, op: int, side: int, row: int, price: int, size: int) -> None:
        rows = self.book[side]
        if op == INSERT:
            by = gross = size
        elif op == DELETE:
            by, gross = -rows[row][1], rows[row][1]
        else:
            by = size - rows[row][1]
            gross = abs(by) if rows[row][0] == price else size + rows[row][1]
        weight = rank_weight(row, self.levels)
        self.fast.add(quantum, "flow", weight * (by if side == BID else -by))
        self.fast.add(quantum, "gross", weight * gross)
        self.fast.add(quantum, "count", 1)
        if row == 0 and rows:
            self.remember(ts, side, *rows[0])
        at, pending, when = self.slots[side]
        if by > 0 and pending and price == at and ts - when <= REFILL_NS:
            hidden = min(by, pending)
            self.slots[side] = (at, pending - hidden, when)
            self.middle.add(quantum, "absorbed", hidden if side == BID else -hidden)

    def remember(self, ts: int, side: int, price: int, size: int) -> None:
        """The best row is about to change: what it showed is remembered, unless more was shown there a moment ago."""
        before = self.shown[side]
        if before is None or before[0] != price or ts - before[2] > REFILL_NS or size >= before[1]:
            self.shown[side] = (price, size, ts)

    def trade(self, ts: int, quantum: int, price: int, size: int, aggressor: int, is_odd: bool) -> None:
        mid = self.mid()
        sign = self.sign_of(price, aggressor, mid)
        self.middle.add(quantum, "count", 1)
        self.middle.add(quantum, "traded", size)
        self.middle.add(quantum, "signed", sign * size)
        self.slow.add(quantum, "traded", size)
        if mid is not None:
            if self.last_mid is not None:
                self.middle.add(quantum, "moved", abs(mid - self.last_mid))
                self.slow.add(quantum, "moved", abs(mid - self.last_mid))
            self.last_mid = mid
        if not is_odd:
            self.absorb(ts, quantum, price, size, sign, mid)
        self.slice(ts, quantum, size, sign)
        self.last_price, self.last_sign = price, sign or self.last_sign

    def sign_of(self, price: int, aggressor: int, mid: int | None) -> int:
        if aggressor in (ASK, BID):
            return 1 if aggressor == BID else -1
        if mid is not None and 2 * price != mid:
            return 1 if 2 * price > mid else -1
        if self.last_price is not None and price != self.last_price:
            return 1 if price > self.last_price else -1
        return self.last_sign

    def absorb(self, ts: int, quantum: int, price: int, size: int, sign: int, mid: int | None) -> None:
        passive = ASK if sign > 0 else BID
        direction = 1 if passive == BID else -1
        displayed: list[int] = []
        if sign:
            self.middle.add(quantum, "classified", size)
            rows, seen = self.book[passive], self.shown[passive]
            displayed = [rows[0][1]] if rows and rows[0][0] == price else []
            if seen is not None and seen[0] == price and ts - seen[2] <= REFILL_NS:
                displayed.append(seen[1])
        if not displayed and mid is not None and self.book[BID][0][0] < price < self.book[ASK][0][0]:
            if 2 * price != mid:  # at mid, half of it is either side's: nothing remains
                self.middle.add(quantum, "absorbed", size if 2 * price < mid else -size)
        elif sign:
            covered = min(size, max(displayed)) if displayed else size
            self.middle.add(quantum, "absorbed", direction * (size - covered))
            at, pending, when = self.slots[passive]
            is_same = at == price and ts - when <= REFILL_NS
            self.slots[passive] = (price, covered + (pending if is_same else 0), ts)

    def slice(self, ts: int, quantum: int, size: int, sign: int) -> None:
        step = quantum >> SLOW
        bin_ = (size * 2654435761 % 2**32) // 2**27
        if sign:
            if any(sign * size == held and ts - when <= SLICE_NS for held, when in self.ring):
                same, whole = (sum((count * decay(step - at) for at, count in self.sizes[each].items()), ZERO) for each in (bin_, -1))
                share = same / whole if whole else ZERO
                self.middle.add(quantum, "sliced", (1 - share) * sign * size)
            self.ring.append((sign * size, ts))
        for each in (bin_, -1):
            self.sizes[each][step] += 1

    def integrate(self, quantum: int) -> None:
        """S2 up to a change of the rows: they are as they stood since the last one that came in another step."""
        step = quantum >> TRADES
        if self.integrated is not None and step > self.integrated:
            now = self.imbalance()
            if now is not None:
                self.spans.append((now, self.integrated, step))
        self.integrated = step

    # -------------------------------------------------------------------------------------------------- what it means

    def mid(self) -> int | None:
        """Twice the mid price in ticks; None where a side is empty, or the sides lock or cross."""
        asks, bids = self.book
        return asks[0][0] + bids[0][0] if asks and bids and asks[0][0] > bids[0][0] else None

    def imbalance(self) -> Decimal | None:
        middle = self.mid()
        if middle is None:
            return None
        asks, bids = (rows[: self.levels] for rows in self.book)
        spread = 2 * (asks[0][0] - bids[0][0])
        ask, bid = (
            sum((Decimal(size * spread) / (spread + abs(2 * price - middle)) for price, size in rows), ZERO) for rows in (asks, bids)
        )
        return (bid - ask) / (bid + ask) if bid + ask else None

    def depth(self, quantum: int) -> Decimal:
        step = quantum >> TRADES
        spans = list(self.spans)
        now = self.imbalance()
        if now is not None and self.integrated is not None and step > self.integrated:
            spans.append((now, self.integrated, step))
        above = below = ZERO
        for value, begin, end in spans:
            weight = decay(step - end) - decay(step - begin)
            above += value * weight
            below += weight
        return above / below if below else ZERO

    def signals(self, ts: int) -> dict[str, Decimal]:
        """NAMES at an instant that is not before the last event."""
        with localcontext(Context(prec=DIGITS)):
            quantum = (ts >> 24) - (self.origin or 0)
            fast, middle, slow = (each.sums(quantum) for each in (self.fast, self.middle, self.slow))
            absorbed = ratio(middle["absorbed"], middle["classified"])
            patient = slow["moved"] * middle["traded"]
            return {
                "s1": ratio(fast["flow"], fast["gross"]), "s2": self.depth(quantum), "s3": ratio(middle["signed"], middle["traded"]),
                "s4": max(Decimal(-1), min(Decimal(1), absorbed)), "s5": ratio(middle["sliced"], middle["traded"]),
                "kappa": ratio(patient, middle["moved"] * slow["traded"] + patient, Decimal("0.5")),
                "raw_flow": fast["flow"], "gross_flow": fast["gross"], "n_flow": fast["count"], "n_trades": middle["count"],
            }  # fmt: skip


def ratio(above: Decimal, below: Decimal, otherwise: Decimal = ZERO) -> Decimal:
    return above / below if below else otherwise
