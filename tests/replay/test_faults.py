"""Every fault by its name, over the wire: what it says must be what happens."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scizor.base.errors import UsageError
from scizor.replay.tws import faults, texts
from scizor.replay.tws.script import parse_rule, read_script
from tests.replay.conftest import Serving
from tests.replay.wireclient import BHP, DAILY, WireClient

Bars = list[dict[str, Any]]
MINUTES = {**DAILY, "bar_size": "1 min", "duration": "1 D"}


def run(serving: Serving, test: Callable[..., Any], **options: Any) -> None:
    async def main() -> None:
        async with serving(**options) as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            await test(gateway, client)

    asyncio.run(main())


@pytest.mark.parametrize("name", sorted(faults.ERRORS))
def test_an_ordered_error_comes_once_with_its_text_and_then_the_bars_come(serving: Serving, name: str) -> None:
    code, text = faults.ERRORS[name]

    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject(name, times=1)
        kind, told = await client.ask("reqHistoricalData", 31, **DAILY)
        assert (kind, told["code"]) == ("error", code)
        assert told["text"].startswith(text.split("{")[0])
        assert "{" not in told["text"]
        kind, _ = await client.ask("reqHistoricalData", 32, **DAILY)
        assert kind == "historicalData"
        (entry, _) = gateway.requests("reqHistoricalData")
        assert (entry.verdict, entry.fault) == ("fault", name)

    run(serving, test)


def test_the_localised_text_keeps_its_accents_and_its_english_tail(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject("spanish-pacing")
        _, told = await client.ask("reqHistoricalData", 1, **DAILY)
        assert told["text"] == (
            "Mensaje de error de los servicios de datos de mercado históricos:Historical data request pacing violation"
        )
        gateway.forget()
        gateway.inject("error", "162:歷史市場資料服務錯誤訊息")
        assert (await client.ask("reqHistoricalData", 2, **DAILY))[1]["text"] == "歷史市場資料服務錯誤訊息"

    run(serving, test)


async def clean(client: WireClient) -> Bars:
    return list((await client.ask("reqHistoricalData", 900, **DAILY))[1]["bars"])


def changed(before: Bars, after: Bars) -> list[tuple[int, str, Any]]:
    """Which fields of which bars differ."""
    return [
        (at, key, new[key])
        for at, (old, new) in enumerate(zip(before, after, strict=True))
        for key in old
        if old[key] != new[key]
    ]


@pytest.mark.parametrize(
    ("name", "field", "check"),
    [
        ("nan-price", "close", math.isnan),
        ("infinite-price", "high", math.isinf),
        ("huge-price", "high", lambda price: price.text == "1e400"),
        ("negative-price", "low", lambda price: price == -1),
        ("zero-price", "low", lambda price: price == 0),
        ("empty-price", "open", lambda price: price is None),
        ("close-above-high", "close", lambda price: price > 0),
        ("volume-unknown", "volume", lambda volume: volume == -1),
        ("volume-negative", "volume", lambda volume: volume == -7),
        ("too-many-decimals", "close", lambda price: len(price.text.partition(".")[2]) == 12),
        ("spike", "high", lambda price: price > 1000),
    ],
)
def test_rows_29_to_33_one_field_of_the_middle_bar_is_bad(serving: Serving, name: str, field: str, check: Any) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        before = await clean(client)
        gateway.inject(name)
        ((at, key, value),) = changed(before, await clean(client))
        assert (at, key) == (5, field)
        assert check(value)

    run(serving, test)


def test_rows_27_and_28_duplicates_conflicts_disorder_and_holes(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        before = await clean(client)
        after = {}
        for name in ("duplicate-bar", "conflicting-bar", "out-of-order", "missing-bar", "high-below-low", "stale-session"):
            rule = gateway.inject(name)
            after[name] = await clean(client)
            gateway.forget(rule)
        assert after["duplicate-bar"] == [*before[:6], before[5], *before[6:]]
        conflict = after["conflicting-bar"]
        assert conflict[5] == before[5]
        assert conflict[6]["date"] == before[5]["date"] and conflict[6]["close"] != before[5]["close"]
        assert sorted(after["out-of-order"], key=lambda bar: bar["date"]) == before != after["out-of-order"]
        assert after["missing-bar"] == [*before[:5], *before[6:]]
        assert after["high-below-low"][5]["high"] < after["high-below-low"][5]["low"]
        stale = after["stale-session"]
        assert stale[-1]["date"] == before[-1]["date"] and stale[-1]["close"] == stale[-2]["close"]
        assert await clean(client) == before, "and then it is over"

    run(serving, test)


def test_rows_35_and_36_a_weekend_bar_and_stamps_without_a_zone(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        rule = gateway.inject("weekend-bar")
        assert (await clean(client))[-1]["date"] == "20250118"
        _, minutes = await client.ask("reqHistoricalData", 1, **MINUTES)
        last = int(minutes["bars"][-1]["date"])
        assert last - int(minutes["bars"][-2]["date"]) == 3 * 86400
        gateway.forget(rule)
        gateway.inject("naive-time")
        _, minutes = await client.ask("reqHistoricalData", 2, **MINUTES)
        assert minutes["bars"][0]["date"] == "20250115  10:00:00"

    run(serving, test)


def test_row_38_the_bars_and_the_details_of_another_contract(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        before = await clean(client)
        gateway.inject("wrong-bars", "4036818")
        assert (await clean(client))[-1]["close"] - before[-1]["close"] == pytest.approx(600)
        gateway.inject("wrong-con-id", "31337")
        _, details = await client.ask("reqContractDetails", 3, **BHP)
        assert details["con_id"] == 31337

    run(serving, test)


def test_row_26_an_answer_announces_all_bars_breaks_off_and_ends_in_an_error(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject("error-after", "4")
        _, told = await client.ask("reqHistoricalData", 8, **DAILY)
        assert told["code"] == 162
        (broken,) = client.unreadable
        assert broken.count(b"\0") == 1 + 4 + 4 * 8, "id, four fields, four bars"
        assert broken.split(b"\0")[4] == b"10"

    run(serving, test)


def test_silence_stays_open_and_its_cancel_is_told_366(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject("silence", symbol="BHP", times=1)
        client.say("reqHistoricalData", req_id=5, **DAILY)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.next(), 0.1)
        assert gateway.open == 1
        client.say("cancelHistoricalData", req_id=5)
        assert (await client.until("error", req_id=5))["code"] == 366
        assert gateway.open == 0

    run(serving, test)


def test_a_late_answer_comes_even_after_its_cancel(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject("late", "3")
        client.say("reqHistoricalData", req_id=5, **DAILY)
        await asyncio.sleep(0.02)
        client.say("cancelHistoricalData", req_id=5)
        assert (await client.until("error", req_id=5))["code"] == 162
        asked = gateway.clock.now()
        assert len((await client.until("historicalData", req_id=5))["bars"]) == 10
        assert (gateway.clock.now() - asked).total_seconds() > 1

    run(serving, test, speed=20)


def test_a_slow_answer_takes_its_time_and_one_that_comes_twice_comes_twice(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        rule = gateway.inject("slow", "2")
        await clean(client)
        asked, answered = gateway.requests("reqHistoricalData")[-1], gateway.log[-1]
        assert (answered.at - asked.at).total_seconds() >= 2
        gateway.forget(rule)
        gateway.inject("twice")
        client.say("reqHistoricalData", req_id=6, **DAILY)
        assert await client.until("historicalData", req_id=6) == await client.until("historicalData", req_id=6)

    run(serving, test, speed=20)


@pytest.mark.parametrize("name", ["close", "drop", "drop-all"])
def test_the_socket_closes_in_place_of_the_answer_or_within_it(serving: Serving, name: str) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject(name, nth=1)
        client.say("reqHistoricalData", req_id=6, **DAILY)
        assert await client.is_closed()
        assert not any(kind == "historicalData" for kind, _ in client.heard)
        assert (len(client._in) > 100) == (name == "drop")

    run(serving, test)


def test_frames_that_are_cut_too_long_empty_or_unknown(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        for number, name in enumerate(("truncated", "empty-frame", "unknown-message", "bad-utf8"), 1):
            rule = gateway.inject(name)
            client.say("reqHistoricalData", req_id=number, **DAILY)
            if name != "truncated":
                assert await client.until("historicalData", req_id=number)
            else:
                client.say("reqCurrentTime")
                await client.until("currentTime")
                await asyncio.sleep(0.05)
            gateway.forget(rule)
        client.say("reqCurrentTime")
        await client.until("currentTime")
        assert len(client.unreadable) == 4
        gateway.inject("oversized")
        client.say("reqHistoricalData", req_id=9, **DAILY)
        with pytest.raises(Exception, match="4,294,967,295"):
            await client.until("historicalData")

    run(serving, test)


def test_row_50_an_answer_in_single_bytes_or_held_together_is_the_same_answer(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        before = await clean(client)
        rule = gateway.inject("dribble")
        assert await clean(client) == before
        client.say("reqHistoricalData", req_id=5, **DAILY)
        client.say("reqCurrentTime")  # must not fall into the middle of it
        assert (await client.until("historicalData"))["bars"] == before
        gateway.forget(rule)
        gateway.inject("coalesced", "0.1")
        for req_id in (1, 2):
            client.say("reqHistoricalData", req_id=req_id, **DAILY)
        assert [(await client.until("historicalData", req_id=n))["bars"] for n in (1, 2)] == [before, before]

    run(serving, test)


@pytest.mark.parametrize("code", sorted(texts.NOTICES))
def test_every_notice_reaches_every_client(serving: Serving, code: int) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        async with WireClient(gateway.port, 8) as other:
            await other.until("error", code=2158)
            gateway.inject(str(code))
            for each in (client, other):
                assert (await each.until("error", code=code))["text"] == texts.NOTICES[code]

    run(serving, test)


def test_a_notice_waits_for_its_request_or_its_time_or_comes_with_every_connection(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject("1100", nth=2)
        await clean(client)
        assert not any(values.get("code") == 1100 for _, values in client.heard)
        client.say("reqHistoricalData", req_id=2, **DAILY)
        await client.until("error", code=1100)
        await client.until("historicalData", req_id=2), "and the request is served all the same"
        gateway.inject("1102", at_seconds=0.2)
        await client.until("error", code=1102)
        gateway.faults.add(faults.Rule("2105"), gateway.clock.now())
        async with WireClient(gateway.port, 8) as other:
            await other.until("error", code=2105)

    run(serving, test)


def test_a_broken_farm_says_nothing_and_comes_back(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject("farm-broken", "10")
        await client.until("error", code=2105)
        client.say("reqHistoricalData", req_id=2, **DAILY)
        await client.until("error", code=2106)
        assert gateway.open == 1, "lost: never answered"
        assert (await client.ask("reqHistoricalData", 3, **DAILY))[0] == "historicalData"

    run(serving, test, speed=20)


@pytest.mark.parametrize("name", ["326", "refuse", "mute", "other-account"])
def test_faults_of_connecting(serving: Serving, name: str) -> None:
    async def main() -> None:
        async with serving(rules=(faults.Rule(name, times=1),)) as gateway:
            client = WireClient(gateway.port)
            if name == "refuse":
                with pytest.raises((EOFError, ConnectionError)):
                    await client.__aenter__()
            elif name == "mute":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.__aenter__(), 0.1)
                await client.close()
            else:
                async with client:
                    if name == "326":
                        assert (await client.until("error"))["code"] == 326
                        assert await client.is_closed()
                    else:
                        assert (await client.until("managedAccts"))["accounts"] == "U0000001"
            async with WireClient(gateway.port) as again:
                assert (await again.until("managedAccts"))["accounts"] == "RP0000001"

    asyncio.run(main())


def test_rules_meet_the_requests_that_they_name_and_no_others(serving: Serving) -> None:
    async def test(gateway: Any, client: WireClient) -> None:
        gateway.inject("no-data", symbol="CBA")
        gateway.inject("354", bar_size="1 min")
        gateway.inject("321", message="reqContractDetails")
        gateway.inject("pacing", client=99)
        cba = {**DAILY, "con_id": 4036818, "symbol": "CBA"}
        codes = []
        for number, request in enumerate((DAILY, cba, MINUTES)):
            kind, told = await client.ask("reqHistoricalData", number, **request)
            codes.append(told["code"] if kind == "error" else 0)
        assert codes == [0, 162, 354]
        assert (await client.ask("reqContractDetails", 9, **BHP))[1]["code"] == 321

    run(serving, test)


def test_rules_are_written_on_a_command_line_and_mistakes_are_named() -> None:
    rule = parse_rule("error-after=3@symbol=BHP,nth=2,from_seconds=1.5")
    assert rule == faults.Rule("error-after", "3", symbol="BHP", nth=2, from_seconds=1.5)
    assert parse_rule("error=162:a=b,c@what=BID").argument == "162:a=b,c"
    for wrong, word in (("nonsense", "nonsense"), ("pacing@colour=red", "colour"), ("pacing@nth=two", "two"), ("pacing@nth", "nth")):
        with pytest.raises(UsageError, match=word):
            parse_rule(wrong)


def test_a_script_is_read_again_when_it_changes(serving: Serving, tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text('[[fault]]\nname = "no-data"\nsymbol = "BHP"\n')

    async def test(gateway: Any, client: WireClient) -> None:
        assert (await client.ask("reqHistoricalData", 1, **DAILY))[0] == "error"
        script.write_text('[[fault]]\nname = "2105"\nat_seconds = 0\n\n[[fault]]\nname = "354"\n')
        await client.until("error", code=2105)
        assert (await client.ask("reqHistoricalData", 2, **DAILY))[1]["code"] == 354
        script.write_text("this is no TOML")
        await asyncio.sleep(0.25)
        assert any(each.name == "script" for each in gateway.log)
        assert (await client.ask("reqHistoricalData", 3, **DAILY))[1]["code"] == 354
        script.unlink()
        await asyncio.sleep(0.25)
        assert (await client.ask("reqHistoricalData", 4, **DAILY))[0] == "historicalData"

    run(serving, test, script=script)
    for text, word in (("[fault]\nname=1", "fault"), ('[[fault]]\nname="x"', "'x'"), ("[[faults]]\n", "faults")):
        script.write_text(text)
        with pytest.raises(UsageError, match=word):
            read_script(script)


def test_every_fault_has_a_meaning_and_the_list_names_them_all() -> None:
    listed = faults.describe().splitlines()
    assert [line.split()[0] for line in listed] == [each.name for each in faults.FAULTS]
    assert len({each.name for each in faults.FAULTS}) == len(faults.FAULTS)
    tested = Path(__file__).read_text()
    for each in faults.FAULTS:
        assert each.meaning
        assert f'"{each.name}"' in tested or each.name in faults.ERRORS or each.name.isdigit() or each.name.startswith("service"), each


@pytest.mark.parametrize(
    "wrong", ["slow=soon", "late=-1", "service-slow=30", "error=nothing", "error-after=x", "wrong-bars=BHP", "no-data=1", "oversized=many"]
)
def test_an_argument_that_is_none_is_refused_when_it_is_given_and_not_found_out_in_silence(wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong.partition("=")[0]):
        parse_rule(wrong)


def test_every_fault_takes_its_own_default() -> None:
    assert [parse_rule(name).name for name in faults.table()] == list(faults.table())
