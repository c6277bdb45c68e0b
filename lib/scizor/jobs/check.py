"""bin/check: looks, and says one line a check. Writes nothing; the database's session could not."""

from __future__ import annotations

import json
import sys
from collections import Counter

from scizor.base.masking import mask
from scizor.jobs.checks import table
from scizor.jobs.checks.look import Look, look
from scizor.jobs.checks.words import Line, Status
from scizor.run.context import Context


def run(context: Context) -> int:
    """Prints what was seen; the status of the worst."""
    args = context.args
    checks = table.chosen(args.only, args.ready)
    if args.watch is not None:
        from scizor.jobs import check_watch

        return int(check_watch.run(context, checks))
    seen = look(context, checks)
    print(as_json(seen) if args.json else as_text(seen, is_verbose=args.verbose))
    sys.stdout.flush()
    return int(seen.status)


def as_text(seen: Look, *, is_verbose: bool = False) -> str:
    """A summary for whoever reads one line only, then a line a check: name, status, value, since, hint."""
    width = max((len(each.check.name) for each in seen.lines), default=0)
    return mask("\n".join([summary(seen), *(_text(each, width, is_verbose) for each in seen.lines)]))


def summary(seen: Look) -> str:
    counts = Counter(each.status for each in seen.lines)
    told = ", ".join(f"{counts[each]} {each.name.lower()}" for each in sorted(counts, key=lambda each: -each.rank))
    bad = [each.check.name for each in sorted(seen.lines, key=lambda each: -each.status.rank) if each.status is not Status.OK]
    return f"scizor {seen.status.name} - {told}" + (f": {', '.join(bad)}" if bad else "")


def _text(line: Line, width: int, is_verbose: bool) -> str:
    text = f"{line.check.name:<{width}}  {line.status.name:<8}  {line.value}"
    if is_verbose and line.check.threshold:
        text += f"  (wanted: {line.check.threshold})"
    if line.status is Status.OK:
        return text
    if line.since is not None:
        text += f", since {line.since:%Y-%m-%d %H:%M} UTC"
    return f"{text}. HINT: {line.hint}"


def as_json(seen: Look) -> str:
    """{status, at, checks: [{name, status, value, threshold, since, hint, remarks: [{scope, status, text, since, hint}]}]}."""
    return mask(json.dumps({
        "status": seen.status.name.lower(), "at": seen.moment.now.isoformat(),
        "checks": [
            {
                "name": each.check.name, "status": each.status.name.lower(), "value": each.value, "threshold": each.check.threshold,
                "since": each.since.isoformat() if each.since else None, "hint": each.hint,
                "remarks": [
                    {"scope": remark.scope, "status": remark.status.name.lower(), "text": remark.text,
                     "since": remark.since.isoformat() if remark.since else None, "hint": remark.hint or each.check.hint}
                    for remark in each.remarks
                ],
            }
            for each in seen.lines
        ],
    }, indent=1))  # fmt: skip
