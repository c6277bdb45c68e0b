// What @stoqey/ib 1.6 (server version 178) is told. Arguments: port, client id. Prints JSON.
"use strict";
const { createRequire } = require("node:module");
const { IBApi, EventName, SecType } = createRequire(process.cwd() + "/")("@stoqey/ib");

const [DAILY, MINUTES, DETAILS, HEAD] = [1, 2, 3, 4];
const told = { errors: [], daily: [], minutes: [] };
const waiting = new Set(["id", "time", "details", "daily", "minutes", "head"]);
const api = new IBApi({ host: "127.0.0.1", port: Number(process.argv[2]), clientId: Number(process.argv[3]) });

function finish() {
  told.missing = [...waiting].sort();
  console.log(JSON.stringify(told));
  api.disconnect();
  setTimeout(() => process.exit(0), 50);
}
function have(what) {
  waiting.delete(what);
  if (waiting.size === 0) finish();
}

api.on(EventName.server, (version) => { told.version = version; });
api.on(EventName.managedAccounts, (accounts) => { told.accounts = accounts; });
api.on(EventName.error, (problem, code, reqId) => { told.errors.push([reqId, code, problem.message]); });
api.on(EventName.currentTime, (time) => { told.time = time; have("time"); });
api.on(EventName.contractDetails, (reqId, details) => {
  told.con_id = details.contract.conId;
  told.time_zone = details.timeZoneId;
});
api.on(EventName.contractDetailsEnd, () => have("details"));
api.on(EventName.historicalData, (reqId, date, open, high, low, close, volume) => {
  const name = reqId === DAILY ? "daily" : "minutes";
  if (String(date).startsWith("finished")) have(name);
  else told[name].push([date, open, high, low, close, volume]);
});
api.on(EventName.headTimestamp, (reqId, time) => { told.head = time; api.cancelHeadTimestamp(reqId); have("head"); });
api.once(EventName.nextValidId, () => {
  have("id");
  const contract = { symbol: "BHP", secType: SecType.STK, exchange: "ASX", currency: "AUD" };
  api.reqCurrentTime();
  api.reqContractDetails(DETAILS, contract);
  api.reqHistoricalData(DAILY, contract, "", "10 D", "1 day", "TRADES", 1, 1, false);
  api.reqHistoricalData(MINUTES, contract, "", "1 D", "1 min", "TRADES", 1, 2, false);
  api.reqHeadTimestamp(HEAD, contract, "TRADES", true, 2);
});
api.connect();
setTimeout(finish, 20000).unref();
