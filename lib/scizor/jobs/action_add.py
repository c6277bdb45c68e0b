"""bin/actions add: what a company announced and the bars cannot show, as a candidate. TRADES history knows no dividend, so this is
how total_return gets its amounts; a person confirms it like any other."""

from __future__ import annotations

import getpass
import re
from datetime import date

from scizor.base.errors import UsageError
from scizor.db import actions as stored
from scizor.db import symbols as stored_symbols
from scizor.jobs.listing import tell
from scizor.market import basis, due
from scizor.run.context import Context, Result

AMOUNT = re.compile(r"\d{1,9}(\.\d{1,8})?")


def add(context: Context) -> Result:
    """Stores a dividend or a split as a candidate. UsageError: it is no amount, or known and decided otherwise."""
    args, connection, now = context.args, context.connection, context.clock.now()
    if bool(args.dividend) == bool(args.ratio) or not args.ex_date:
        raise UsageError("add takes --ex-date and one of --dividend and --ratio", hint="bin/actions add CBA --dividend 2.15 --ex-date 2024-02-21")
    (instrument,) = stored_symbols.load_instruments(connection, now, [stored_symbols.valid(args.symbol)], inactive=True)
    ex_date = due.parse_date(args.ex_date, date.max)
    amount = new = old = None
    if args.dividend:
        if not AMOUNT.fullmatch(args.dividend) or not float(args.dividend):
            raise UsageError(f"--dividend: {args.dividend!r} is no amount a share", hint="2.15, in the symbol's currency")
        amount = float(args.dividend)
    else:
        new, old = ratio(args.ratio)
    evidence = {"method": "person", "why": f"entered by {getpass.getuser()}"}
    type_ = "dividend" if amount else "split"
    with connection.transaction(force_rollback=args.dry_run):
        done = stored.put(
            connection, instrument.symbol_id, type_, ex_date, basis.effective_at(ex_date, instrument.calendar), evidence, now,
            new=new, old=old, amount=amount,
        )  # fmt: skip
    (known,) = [each for each in stored.load(connection, symbols=[instrument.symbol]) if (each.type, each.ex_date) == (type_, ex_date)] or (None,)
    if done is None and known is not None:
        if (known.amount, known.new, known.old) != (amount, new, old):
            raise UsageError(
                f"{instrument.symbol} has a {type_} on {ex_date} that is {known.state} (number {known.id})", hint=f"bin/actions reject {known.id}, if it is wrong"
            )
        return tell(f"it is known, {known.state}: number {known.id}")
    if args.dry_run:
        return tell(f"would be a candidate: {instrument.symbol} {type_} {args.dividend or args.ratio} on {ex_date}")
    assert done is not None
    return tell(f"a candidate now: bin/actions confirm {done[0]}")


def ratio(text: str) -> tuple[int, int]:
    """3:1 for three new shares in place of one."""
    group = re.fullmatch(r"(\d{1,6}):(\d{1,6})", text)
    new, old = (int(group[1]), int(group[2])) if group else (0, 0)
    if not new or not old or new == old:
        raise UsageError(f"--ratio: {text!r} is no ratio of new to old shares", hint="3:1 for three new shares in place of one")
    return new, old
