"""The gateway against the real ib_insync: what the product's own client will see."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.replay.conftest import Serving

_loop = asyncio.new_event_loop()  # ib_insync looks for one while it is imported
asyncio.set_event_loop(_loop)

import ib_insync as ibi  # noqa: E402

_loop.close()  # left open, it would be found by the garbage collector in the middle of somebody else's test
asyncio.set_event_loop(None)

BHP = ibi.Stock("BHP", "ASX", "AUD")


async def connected(port: int, client_id: int = 7, **more: Any) -> ibi.IB:
    ib = ibi.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=client_id, timeout=5, **more)
    return ib


def test_the_whole_connect_with_its_synchronisation_is_answered(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            ib = await connected(gateway.port)
            assert ib.client.serverVersion() == 176
            assert ib.managedAccounts() == ["RP0000001"]
            assert ib.positions() == [] == ib.openTrades()
            assert (await ib.reqCurrentTimeAsync()).astimezone(UTC).date() == date(2025, 1, 15)
            ib.disconnect()
            names = [each.name for each in gateway.requests()]
            assert names[:2] == ["startApi", "reqPositions"]
            assert all(each.verdict == "served" for each in gateway.requests())

    asyncio.run(main())


def test_connecting_the_client_alone_sends_nothing_but_what_was_asked(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            ib = ibi.IB()
            await ib.client.connectAsync("127.0.0.1", gateway.port, 7, 5)
            assert ib.client.getAccounts() == ["RP0000001"]
            bars = await ib.reqHistoricalDataAsync(BHP, "", "10 D", "1 day", "TRADES", True, 2)
            ib.disconnect()
            assert len(bars) == 10
            assert [each.id for each in gateway.requests()] == [71, 20]

    asyncio.run(main())


def test_contract_details_of_a_known_an_unknown_and_an_ambiguous_contract(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            ib = await connected(gateway.port)
            (found,) = await ib.reqContractDetailsAsync(BHP)
            assert (found.contract.conId, found.timeZoneId, found.longName) == (4036812, "Australia/NSW", "BHP GROUP LTD")
            assert [each.value for each in found.secIdList] == ["AU000000BHP4"]
            assert "20250118:CLOSED" in found.liquidHours
            assert await ib.reqContractDetailsAsync(ibi.Stock("NOPE", "ASX", "AUD")) == []
            assert len(await ib.reqContractDetailsAsync(ibi.Stock("BHP", "SMART", ""))) == 2
            (abroad,) = await ib.reqContractDetailsAsync(ibi.Stock("BHP", "NYSE", "USD"))
            assert abroad.longName == "BHP ADR \N{LATIN SMALL LETTER E WITH ACUTE}"
            ib.RaiseRequestErrors = True
            with pytest.raises(ibi.wrapper.RequestError, match="No security definition"):
                await ib.reqContractDetailsAsync(ibi.Stock("NOPE", "ASX", "AUD"))
            with pytest.raises(ibi.wrapper.RequestError, match="ambiguous"):
                await ib.reqHistoricalDataAsync(ibi.Stock("BHP", "SMART", ""), "", "1 D", "1 day", "TRADES", True, 2)
            ib.disconnect()

    asyncio.run(main())


@pytest.mark.parametrize("what", ["TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK"])
def test_daily_bars_of_every_kind(serving: Serving, what: str) -> None:
    async def main() -> None:
        async with serving() as gateway:
            ib = await connected(gateway.port)
            bars = await ib.reqHistoricalDataAsync(BHP, "", "3 D", "1 day", what, True, 2)
            assert [each.date for each in bars] == [date(2025, 1, 13), date(2025, 1, 14), date(2025, 1, 15)]
            assert bars[-1].volume == (948837.22 if what == "TRADES" else -1)
            assert bars[-1].barCount == (321 if what == "TRADES" else -1)
            ib.disconnect()

    asyncio.run(main())


def test_minute_bars_in_both_date_formats_are_the_same_instants(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            ib = await connected(gateway.port)
            epoch, text = [
                await ib.reqHistoricalDataAsync(BHP, "", "1 D", "1 min", "TRADES", True, form) for form in (2, 1)
            ]
            assert [each.date for each in epoch] == [each.date for each in text]
            assert epoch[0].date == datetime(2025, 1, 14, 23, 0, tzinfo=UTC)
            assert str(text[0].date.tzinfo) == "Australia/NSW"
            assert len(epoch) == 371, "10:00 to the auction at 16:10"
            ib.disconnect()

    asyncio.run(main())


def test_head_timestamp_schedule_and_a_contract_without_a_head(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            ib = await connected(gateway.port)
            assert await ib.reqHeadTimeStampAsync(BHP, "TRADES", True, 2) == datetime(2014, 12, 31, 23, 0, tzinfo=UTC)
            schedule = await ib.reqHistoricalScheduleAsync(BHP, 10)
            assert len(schedule.sessions) == 10
            assert schedule.sessions[-1].refDate == "20250115"
            assert schedule.timeZone == "Australia/NSW"
            ib.RaiseRequestErrors = True
            with pytest.raises(ibi.wrapper.RequestError, match="HMDS query returned no data: BHP@NYSE Trades"):
                await ib.reqHeadTimeStampAsync(ibi.Stock("BHP", "NYSE", "USD"), "TRADES", True, 2)
            assert gateway.open == 0, "ib_insync cancels what it has been told"
            ib.disconnect()

    asyncio.run(main())


def test_a_pacing_violation_reaches_the_client_as_162_and_the_gateway_has_counted_it(serving: Serving) -> None:
    async def main() -> None:
        async with serving(regime="strict") as gateway:
            ib = await connected(gateway.port)
            ib.RaiseRequestErrors = True
            asked = [
                ib.reqHistoricalDataAsync(BHP, f"202501{day:02d} 07:00:00 UTC", "1 D", "1 day", "TRADES", True, 2)
                for day in range(7, 14)
            ]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            refused = [each for each in answers if isinstance(each, ibi.wrapper.RequestError)]
            assert len(refused) == 2, "the sixth and the seventh within two seconds"
            assert all(each.code == 162 and "pacing violation" in each.message for each in refused)
            assert gateway.violations == {"burst": 2}
            ib.disconnect()

    asyncio.run(main())


def test_309_details_at_once_pass_and_without_the_throttle_the_third_strike_closes_the_socket(serving: Serving) -> None:
    async def main() -> None:
        async with serving(speed=20) as gateway:
            ib = await connected(gateway.port)
            ib.client.MaxRequests = 0
            asked = [ib.reqContractDetailsAsync(BHP) for _ in range(309)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert any(isinstance(each, ConnectionError) for each in answers)
            assert gateway.violations["messages"] == 3
            assert not ib.isConnected()
        async with serving(speed=20) as gateway:
            ib = await connected(gateway.port)
            ib.client.RequestsInterval = 1 / 20
            answers = await asyncio.gather(*[ib.reqContractDetailsAsync(BHP) for _ in range(309)])
            assert all(len(each) == 1 for each in answers)
            assert not gateway.violations
            ib.disconnect()

    asyncio.run(main())


def test_the_fifty_first_open_request_is_refused(serving: Serving) -> None:
    async def main() -> None:
        async with serving(service_seconds=0.5) as gateway:
            ib = await connected(gateway.port)
            ib.RaiseRequestErrors = True
            ib.client.MaxRequests = 0
            asked = [
                asyncio.ensure_future(
                    ib.reqHistoricalDataAsync(BHP, f"20240101 00:00:{n:02d} UTC", "1 D", "1 day", "TRADES", True, 2)
                )
                for n in range(30)
            ]
            other = await connected(gateway.port, 8)
            other.RaiseRequestErrors = True
            asked += [
                asyncio.ensure_future(
                    other.reqHistoricalDataAsync(BHP, f"20240101 00:01:{n:02d} UTC", "1 D", "1 day", "TRADES", True, 2)
                )
                for n in range(21)
            ]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            refused = [each for each in answers if isinstance(each, ibi.wrapper.RequestError)]
            assert [each.code for each in refused] == [322]
            assert "Only 50 simultaneous" in refused[0].message
            assert gateway.violations == {"open": 1}
            ib.disconnect()
            other.disconnect()

    asyncio.run(main())


def test_a_second_client_with_the_same_id_is_told_326_and_closed(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            ib = await connected(gateway.port)
            second = ibi.IB()
            told: list[int] = []
            second.errorEvent += lambda req_id, code, text, contract: told.append(code)
            with pytest.raises((TimeoutError, ConnectionError)):
                await second.connectAsync("127.0.0.1", gateway.port, clientId=7, timeout=0.5)
            assert told == [326]
            assert ib.isConnected()
            assert gateway.violations == {"client-id": 1}
            ib.disconnect()
            third = await connected(gateway.port, 7)
            third.disconnect()

    asyncio.run(main())


def test_row_26_an_answer_that_breaks_off_leaves_a_partial_list_in_ib_insync(serving: Serving) -> None:
    """Why the product must look at the error and not at the list."""

    async def main() -> None:
        async with serving() as gateway:
            gateway.inject("error-after", "3", times=1)
            ib = await connected(gateway.port)
            codes: list[int] = []
            ib.errorEvent += lambda req_id, code, text, contract: codes.append(code)
            bars = await ib.reqHistoricalDataAsync(BHP, "", "10 D", "1 day", "TRADES", True, 2)
            assert len(bars) < 10
            assert codes[-1] == 162
            ib.disconnect()

    asyncio.run(main())


def test_a_fault_for_a_symbol_meets_a_request_that_names_the_contract_alone(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            ib = ibi.IB()
            await ib.client.connectAsync("127.0.0.1", gateway.port, 7, 5)
            gateway.inject("no-data", symbol="BHP")

            async def count(con_id: int) -> int:
                contract = ibi.Contract(conId=con_id, exchange="ASX")
                return len(await ib.reqHistoricalDataAsync(contract, "", "10 D", "1 day", "TRADES", True, 2))

            assert (await count(4036812), await count(4036818), await count(4036812)) == (0, 10, 0)
            ib.disconnect()
            asked = gateway.requests("reqHistoricalData")
            assert [each.fault for each in asked] == ["no-data", "", "no-data"]
            assert {each.fields["symbol"] for each in asked} == {""}, "the journal keeps what was sent"

    asyncio.run(main())
