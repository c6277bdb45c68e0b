"""Universe files: every problem at once, hostile symbols, and nothing given to another instrument."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest

from scizor.base.paths import ROOT, recordings_directory
from scizor.market import table, universe
from scizor.market.calendar import calendar_of
from scizor.market.universe import Listed

UNIVERSE = ("asx200.csv", "nasdaq100.csv", "etfs.csv")
HEADER = "symbol,exchange,currency,sec_type,calendar,con_id,listed_from,listed_to,name"
BHP = "BHP,ASX,AUD,STK,XASX,4036812,,,BHP Group"


def whole_universe() -> list[Listed]:
    rows = []
    for file in UNIVERSE:
        found, problems = universe.read_listed(file, (ROOT / "etc" / "universe" / file).read_bytes())
        assert not problems
        rows += found
    return rows


@pytest.mark.parametrize(
    ("wanted", "near"),
    [("NOPE", ""), ("FOO", ""), ("BHQ", ", did you mean BHP?"), ("XROO", ", did you mean XRO?"), ("GOGO", ", did you mean GOOG?")],
)
def test_only_what_is_near_is_suggested(wanted: str, near: str) -> None:
    assert table.nearest(wanted, ["TNE", "GOOG", "BHP", "XRO"]) == near


def test_the_universe_is_309_symbols_and_a_plain_code_belongs_to_one() -> None:
    rows = whole_universe()
    assert len(rows) == 309
    assert len({each.symbol for each in rows}) == 309
    assert all(each.as_of for each in rows)


def test_every_row_names_the_calendar_of_its_home_exchange() -> None:
    for each in whole_universe():
        assert each.calendar == calendar_of(universe.home(each), each.currency), each.symbol


def test_every_row_of_the_watchlist_is_in_the_universe() -> None:
    file = ROOT / "etc" / "watchlists" / "asx_professional.csv"
    watched, problems = universe.read_watched(file.name, file.read_bytes())
    assert not problems
    assert [each.priority for each in watched] == [1] * 8 + [2] * 6 + [3] * 4
    assert {each.symbol for each in watched} <= {each.symbol for each in whole_universe()}
    assert sorted(each.symbol for each in watched if each.depth) == ["BHP", "CBA", "WBC"]


def test_the_lives_of_codes_agree_with_the_recorded_days() -> None:
    """Verified against the daily files of the exchange: first and last day of each code, and no day with two holders."""
    recordings = recordings_directory()
    if recordings is None or not (recordings / "asx_daily").is_dir():
        pytest.skip("recordings absent: asx_daily")
    lives, problems = universe.read_lives("codes.csv", (ROOT / "etc" / "universe" / "codes.csv").read_bytes())
    assert not problems
    days: dict[str, set[date]] = {}
    files = [*(recordings / "asx_daily" / "by_symbol_18_to_2021").glob("*.csv"), recordings / "asx_daily" / "temp_and_predecessor_codes_of_the_18.csv"]
    for file in files:
        for line in file.read_text().splitlines()[1:]:
            code, stamp = line.split(",")[:2]
            days.setdefault(code, set()).add(date.fromisoformat(stamp))
    checked = 0
    for code in ("AFY", "APT", "MBL", "MQG", "Z1P", "ZIP", *(each for each in days if len(each) > 3)):
        mine = [each for each in lives if each.code == code]
        outside = [day for day in days[code] if not any((each.first or date.min) <= day <= (each.last or date.max) for each in mine)]
        assert not outside, code
        for each in mine:
            inside = [day for day in days[code] if (each.first or date.min) <= day <= (each.last or date.max)]
            if "first and last day recorded" in each.note:
                assert (min(inside), max(inside)) == (each.first, each.last), each
            checked += len(inside)
    assert checked > 8000


@pytest.mark.parametrize(
    "hostile",
    ["BHP'; drop table bar;--", "../../etc/passwd", "BHP\n", "BHP\u202e", "ВНР", "A" * 40, "", "-rf", "=cmd()", "BHP\x00", "A/../B", " BHP", "ß", "B\u200bHP", "$(id)", "a;b", "%2e%2e"],
)
def test_row_46_hostile_symbols_are_refused_and_shown_harmless(hostile: str) -> None:
    with pytest.raises(ValueError, match="is not a valid symbol") as refused:
        table.symbol(hostile)
    shown = str(refused.value)
    assert shown.isascii()
    assert shown.isprintable()


@pytest.mark.parametrize("name", ["CON", "PRN", "AUX", "NUL", "BRK.B", "BF/A", "BRK B", "TLS.NASDAQ", "APT.2017", "360", "A2M"])
def test_row_47_names_that_only_look_odd_are_symbols(name: str) -> None:
    assert table.symbol(name) == table.symbol(name.lower()) == name


def test_row_47_two_spellings_of_one_symbol_are_one_symbol() -> None:
    data = f"{HEADER}\nBRK.B,SMART,USD,STK,XNYS,,,,\nbrk.b,SMART,USD,STK,XNYS,,,,\n".encode()
    _, problems = universe.read_listed("u.csv", data)
    assert [str(each) for each in problems] == ["u.csv:3: symbol: BRK.B stands on line 2 already"]


def test_I40_random_garbage_is_never_a_symbol_that_could_leave_its_place(request: pytest.FixtureRequest) -> None:
    """I40: whatever is accepted is plain upper-case text without quote, path, option, formula or control."""
    count = 200_000 if request.config.getoption("--exhaustive", default=False) else 10_000
    seed = 20250115
    chance = random.Random(seed)
    alphabet = "ABZ019 ./_-\\'\";:$%&|<>()=+@!~`#\n\r\t\x00\u202e\u200bВßıéA" + "abz"
    accepted = 0
    for _ in range(count):
        text = "".join(chance.choices(alphabet, k=chance.randint(0, 8)))
        try:
            symbol = table.symbol(text)
        except ValueError:
            continue
        accepted += 1
        assert symbol.isascii() and symbol.isprintable() and symbol == symbol.upper(), (seed, text)
        assert symbol[0].isalnum() and ".." not in symbol and not set(symbol) & set("\\'\";:$%&|<>()=+@!~`#"), (seed, text)
    assert accepted > 0  # the generator does reach the symbols


def test_row_85_byte_order_mark_and_crlf_do_no_harm() -> None:
    rows, problems = universe.read_listed("u.csv", b"\xef\xbb\xbf# made by a spreadsheet\r\n" + f"{HEADER}\r\n{BHP}\r\n\r\n".encode())
    assert not problems
    assert rows[0].con_id == 4036812
    assert rows[0].name == "BHP Group"


@pytest.mark.parametrize(
    ("line", "column", "says"),
    [
        ("CBA,ASX,AUD,STK,XASX", "", "5 fields, expected 9"),
        ('CBA,ASX,AUD,STK,XASX,,,,"Commonwealth', "", "unbalanced quotes"),
        ("CBA,ASX,AUD,STK,XASX,,,," + "x" * 10_000_000, "", "characters long, the limit is"),
        ('CBA,ASX,AUD,STK,XASX,"4,036,813",,,', "con_id", "without separators"),
        ("CBA,ASX,AUD,STK,XASX,4.036.813,,,", "con_id", "without separators"),
        ("CBA,ASX,AUD,STK,XASX,4E+06,,,", "con_id", "without separators"),
        ("CBA,ASX,AUD,STK,XASX,0,,,", "con_id", "must lie in"),
        ("CBA,ASX,AUD,STK,XASX,,12/09/1991,,", "listed_from", "not a date as 2022-01-20"),
        ("CBA,ASX,AUD,STK,XASX,,33493,,", "listed_from", "not a date as 2022-01-20"),
        ("CBA,ASX,AUD,STK,XASX,,1991-02-30,,", "listed_from", "no day of the calendar"),
        ("CBA,ASX,AUD,STK,XASX,,2022-01-20,2022-01-19,", "listed_to", "lies before listed_from"),
        ("CBA,ASX,Dollar,STK,XASX,,,,", "currency", "for example AUD"),
        ("CBA,,AUD,STK,XASX,,,,", "exchange", "is empty"),
        ("CBA,ASX,AUD,STK,XASX,,,,turned \u202e round", "name", "nobody can see"),
        ("=cmd(),ASX,AUD,STK,XASX,,,,", "symbol", "is not a valid symbol"),
        ("CBA,ASX,AUD,STK,XASX,4036812,,,", "con_id", "stands on line 2 already"),
    ],
)
def test_row_85_a_bad_line_is_named_and_spoils_only_itself(line: str, column: str, says: str) -> None:
    if len(line) > table.BYTES_MAX:
        line = line[: table.BYTES_MAX - 1000]
    rows, problems = universe.read_listed("u.csv", f"{HEADER}\n{BHP}\n{line}\nNAB,ASX,AUD,STK,XASX,,,,\n".encode())
    assert [(each.line, each.column) for each in problems] == [(3, column)]
    assert says in problems[0].text
    assert {"BHP", "NAB"} <= {each.symbol for each in rows}


def test_row_85_every_problem_comes_at_once() -> None:
    _, problems = universe.read_listed("u.csv", f"{HEADER}\nbad;,ASX,Dollar,STK,XASX,x,y,,\nCBA\n\xff".encode("latin-1"))
    assert [each.line for each in problems] == [2, 2, 2, 2, 3, 4]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no line names the columns"),
        (b"# only words\n", "no line names the columns"),
        ("symbol,exchange\n".encode("utf-16"), "UTF-16"),
        (b"symbol;exchange;currency\nBHP;ASX;AUD\n", "separated by ';'"),
        (b"symbol,exchange,currency,sec_type,calendar,conid\n", "did you mean con_id?"),
        (b"symbol,exchange,currency,sec_type\n", "missing column calendar"),
        (b"symbol,symbol,exchange,currency,sec_type,calendar\n", "twice"),
        (b"x" * (table.BYTES_MAX + 1), "the limit is"),
    ],
)
def test_row_85_a_file_that_is_something_else_says_what_it_is(data: bytes, says: str) -> None:
    rows, problems = universe.read_listed("u.csv", data)
    assert not rows
    assert any(says in str(each) for each in problems), problems


def test_row_48_a_code_may_mean_different_things_only_at_different_times() -> None:
    head = "code,exchange,symbol,from,to,successor,note\n"
    good = head + "ZIP,ASX,ZIP.2020,2014-07-03,2020-01-22,,\nZIP,ASX,ZIP,2022-04-21,,,\n"
    assert not universe.read_lives("codes.csv", good.encode())[1]
    bad = good + "ZIP,ASX,OTHER,2020-01-22,2020-02-01,,\n"
    assert [str(each) for each in universe.read_lives("codes.csv", bad.encode())[1]] == [
        "codes.csv:4: code: ZIP means two things at once, see line 2"
    ]


def listed(symbol: str, **other: object) -> Listed:
    return Listed(symbol, "", "ASX", "ASX", "AUD", "STK", "", "XASX", None, None, None, None)._replace(**other)  # type: ignore[arg-type]


def test_a_second_import_changes_nothing_and_keeps_what_the_file_does_not_say() -> None:
    stored = {"BHP": listed("BHP", con_id=4036812, name="BHP Group"), "CBA": listed("CBA")}
    found = universe.changes(stored, [listed("BHP"), listed("CBA", sector="Financials"), listed("NAB")])
    assert [each.symbol for each in found.added] == ["NAB"]
    assert [each.symbol for each in found.changed] == ["CBA"]
    assert found.unchanged == 1
    after = {**stored, **{each.symbol: each for each in (*found.added, *found.changed)}}
    again = universe.changes(after, [listed("BHP"), listed("CBA", sector="Financials"), listed("NAB")])
    assert (again.added, again.changed, again.unchanged, again.clashes) == ((), (), 3, ())


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (listed("TLS", exchange="SMART", primary_exchange="NASDAQ", currency="USD"), "name this one TLS.NASDAQ"),
        (listed("TLS", con_id=2), "identity is the contract"),
        (listed("TELSTRA", con_id=1), "contract 1 is TLS already"),
        (listed("TLS", sec_type="IND"), "is STK in AUD, not IND"),
    ],
)
def test_a_plain_symbol_is_never_given_to_another_instrument(wanted: Listed, says: str) -> None:
    found = universe.changes({"TLS": listed("TLS", con_id=1)}, [wanted])
    assert not found.added
    assert not found.changed
    assert says in found.clashes[0].text


def test_the_code_of_a_suffixed_symbol_is_what_the_exchange_calls_it() -> None:
    assert [universe.code_of(each) for each in ("TLS", "TLS.NASDAQ", "APT.2017", "BRK.B", "BF/A")] == ["TLS", "TLS", "APT", "BRK.B", "BF/A"]


def test_a_deferred_code_whose_time_is_over_gives_the_plain_code_back() -> None:
    lives, _ = universe.read_lives("codes.csv", (ROOT / "etc" / "universe" / "codes.csv").read_bytes())
    found = {symbol: universe.present(symbol, lives) for symbol in ("ANZ", "TCL", "APT", "ZIP", "MQG", "ZIP.2020", "TLS.NASDAQ")}
    assert found == {
        "ANZ": ("ANZ", ""), "TCL": ("TCL", ""), "APT": ("APT", "SQ2"), "ZIP": ("ZIP", ""), "MQG": ("MQG", ""),
        "ZIP.2020": ("ZIP", ""), "TLS.NASDAQ": ("TLS", ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "day", "code"),
    [
        ("ZIP", "2021-12-31", "Z1P"), ("ZIP", "2022-04-20", "Z1P"), ("ZIP", "2022-04-21", "ZIP"), ("MQG", "2007-11-02", "MBL"),
        ("MQG", "2007-11-05", "MQG"), ("APT", "2017-06-28", "AFY"), ("APT", "2017-06-29", "APT"), ("APT", "2025-01-15", "APT"),
        ("TCL", "1999-12-01", "TCL"), ("ANZ", "2025-01-15", "ANZ"), ("ZIP.2020", "2015-01-05", "ZIP"), ("BHP", "2025-01-15", "BHP"),
        ("TLS.NASDAQ", "2025-01-15", "TLS"), ("ZIP.2020", "2013-01-05", "SKL"),
    ],
)  # fmt: skip
def test_row_48_an_instrument_is_called_by_the_code_of_the_day(symbol: str, day: str, code: str) -> None:
    lives, _ = universe.read_lives("codes.csv", (ROOT / "etc" / "universe" / "codes.csv").read_bytes())
    assert universe.code_on(symbol, lives, date.fromisoformat(day)) == code


def test_the_two_kinds_of_file_are_told_apart(tmp_path: Path) -> None:
    folder = ROOT / "etc" / "universe"
    assert {each.name for each in folder.glob("*.csv") if universe.is_lives(each.read_bytes())} == {"codes.csv"}
