"""What IB's own old Python client (ibapi 9.81, server version 157) is told. Arguments: port, client id. Prints JSON."""

import json
import sys
import threading

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

DAILY, MINUTES, DETAILS, HEAD = 1, 2, 3, 4


class Client(EWrapper, EClient):
    def __init__(self):
        EClient.__init__(self, self)
        self.told = {"errors": [], "daily": [], "minutes": []}
        self.waiting = {"id", "time", "details", "daily", "minutes", "head"}
        self.done = threading.Event()

    def _have(self, what):
        self.waiting.discard(what)
        if not self.waiting:
            self.done.set()

    def nextValidId(self, orderId):
        self.told["version"] = self.serverVersion()
        self._have("id")
        contract = Contract()
        contract.symbol, contract.secType, contract.exchange, contract.currency = "BHP", "STK", "ASX", "AUD"
        self.reqCurrentTime()
        self.reqContractDetails(DETAILS, contract)
        self.reqHistoricalData(DAILY, contract, "", "10 D", "1 day", "TRADES", 1, 1, False, [])
        self.reqHistoricalData(MINUTES, contract, "", "1 D", "1 min", "TRADES", 1, 2, False, [])
        self.reqHeadTimeStamp(HEAD, contract, "TRADES", 1, 2)

    def managedAccounts(self, accountsList):
        self.told["accounts"] = accountsList

    def currentTime(self, time):
        self.told["time"] = time
        self._have("time")

    def contractDetails(self, reqId, contractDetails):
        self.told["con_id"] = contractDetails.contract.conId
        self.told["time_zone"] = contractDetails.timeZoneId

    def contractDetailsEnd(self, reqId):
        self._have("details")

    def historicalData(self, reqId, bar):
        name = "daily" if reqId == DAILY else "minutes"
        self.told[name].append([bar.date, bar.open, bar.high, bar.low, bar.close, float(bar.volume)])

    def historicalDataEnd(self, reqId, start, end):
        self._have("daily" if reqId == DAILY else "minutes")

    def headTimestamp(self, reqId, headTimestamp):
        self.told["head"] = headTimestamp
        self.cancelHeadTimeStamp(reqId)
        self._have("head")

    def error(self, reqId, errorCode, errorString):
        self.told["errors"].append([reqId, errorCode, errorString])


client = Client()
client.connect("127.0.0.1", int(sys.argv[1]), int(sys.argv[2]))
threading.Thread(target=client.run, daemon=True).start()
client.done.wait(20)
client.disconnect()
client.told["missing"] = sorted(client.waiting)
print(json.dumps(client.told))
