"""What lint finds: each rule with a case that has it and a case that has not."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import date

import pytest

from scizor.market import lint
from scizor.market.lint import Finding, Known, View
from scizor.market.universe import Life, Watched

TODAY = date(2025, 1, 15)


@dataclass
class World:
    symbols: list[Known] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    watchlists: dict[str, list[Watched]] = field(default_factory=dict)

    def findings(self, *rules: str) -> list[Finding]:
        return lint.findings(View({each.symbol: each for each in self.symbols}, self.lives, self.watchlists, TODAY), rules)


def known(symbol: str, con_id: int | None = None, **other: object) -> Known:
    plain = Known(symbol, "ASX", "XASX", con_id if con_id is not None else zlib.crc32(symbol.encode()), True, 5)
    return plain._replace(**other)  # type: ignore[arg-type]


def test_a_sound_watchlist_has_no_findings() -> None:
    world = World([known("BHP"), known("CBA")], [], {"mine": [Watched("BHP", 1, True, True, True), Watched("CBA", 1, True, True)]})
    assert world.findings() == []


def test_row_48_a_share_that_left_the_market_is_named_with_its_month_and_successor() -> None:
    apt = known("APT", listed_to=date(2022, 1, 19), successor="SQ2")
    world = World([apt, known("SQ2")], [], {"asx_professional": [Watched("APT", 3)]})
    (found,) = world.findings()
    assert found.rule == "left-market"
    assert found.text.startswith("APT left the market in January 2022, successor SQ2")
    assert "bin/watchlist add --symbol SQ2 --name asx_professional --priority 3" in found.hint
    assert lint.reason(apt, TODAY) == "left the market in January 2022, successor SQ2"


def test_the_last_session_itself_is_still_collected() -> None:
    apt = known("APT", listed_to=TODAY, successor="SQ2")
    assert lint.reason(apt, TODAY) == ""
    assert lint.reason(apt, date(2025, 1, 16)) != ""


def test_a_symbol_that_is_in_no_universe_is_unknown() -> None:
    (found,) = World([known("BHP")], [], {"mine": [Watched("BHB", 1)]}).findings()
    assert (found.rule, found.symbol) == ("unknown", "BHB")


def test_a_refusal_by_the_gateway_is_told_with_its_own_words_once() -> None:
    world = World([known("XYZ", refused="200: no such contract")._replace(con_id=None)])
    assert [each.text for each in world.findings()] == ["the Gateway refused XYZ: 200: no such contract"]


def test_hundreds_of_symbols_without_contract_are_one_finding() -> None:
    (found,) = World([known(f"S{number}")._replace(con_id=None) for number in range(309)]).findings()
    assert found.rule == "no-con-id"
    assert found.text == "309 symbols have no con_id yet: S0, S1, S2, S3, S4 and 304 more"


def test_row_48_a_code_that_belongs_to_somebody_else_now_is_found() -> None:
    lives = [
        Life("ZIP", "ASX", "ZIP.2020", date(2014, 7, 3), date(2020, 1, 22), "", ""),
        Life("ZIP", "ASX", "ZIP", date(2022, 4, 21), None, "", ""),
    ]
    world = World([known("ZIP"), known("ZIP.2020")], lives)
    (found,) = world.findings()
    assert (found.rule, found.symbol) == ("code-moved", "ZIP.2020")
    assert "belongs to ZIP since 2022-04-21" in found.text
    world.symbols[1] = known("ZIP.2020", is_active=False)
    assert world.findings() == []


def test_two_symbols_of_one_contract_are_found() -> None:
    (found,) = World([known("SQ2", 7), known("XYZ", 7)]).findings()
    assert found.text == "SQ2 and XYZ are one contract, 7"


def test_different_priorities_of_one_symbol_are_found_and_the_smaller_counts() -> None:
    (found,) = World([known("BHP")], [], {"a": [Watched("BHP", 1)], "b": [Watched("BHP", 3)]}).findings()
    assert found.rule == "priority-clash"
    assert "bin/watchlist set --symbol BHP --name b --priority 1" in found.hint


def test_the_eighteen_need_at_most_forty_lines_and_three_books() -> None:
    tiers = [Watched(f"S{number}", 1, number < 8, True, number < 3) for number in range(18)]
    assert lint.lines_used(tiers) == 39
    symbols = [known(each.symbol) for each in tiers]
    assert World(symbols, [], {"mine": tiers}).findings() == []
    more = [*tiers, Watched("S18", 3, False, True, True)]
    found = World([*symbols, known("S18")], [], {"mine": more}).findings()
    assert [each.rule for each in found] == ["lines", "depth"]
    assert "need 42 market-data lines live, 40 are planned and 60 stay in reserve" in found[0].text


def test_a_symbol_of_two_watchlists_needs_its_lines_once() -> None:
    assert lint.lines_used([Watched("BHP", 1, True), Watched("BHP", 1, False, True, True)]) == 3


def test_a_share_that_left_needs_no_line() -> None:
    tiers = [Watched(f"S{number}", 1, False, True) for number in range(21)]
    world = World([known(each.symbol) for each in tiers], [], {"mine": tiers})
    assert [each.rule for each in world.findings("lines")] == ["lines"]
    world.symbols[0] = known("S0", listed_to=date(2024, 1, 1))
    assert world.findings("lines") == []


@pytest.mark.parametrize("rule", sorted(lint.RULES))
def test_a_rule_can_be_asked_alone(rule: str) -> None:
    world = World([known("ZIP", is_active=False)], [], {"mine": [Watched("ZIP", 1), Watched("NONE", 1)]})
    assert {each.rule for each in world.findings(rule)} <= {rule}
