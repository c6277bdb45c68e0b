"""IB's error texts, as they stand on the wire (which differs from IB's own table of codes)."""

from __future__ import annotations

HMDS = "Historical Market Data Service error message:"
HMDS_SPANISH = "Mensaje de error de los servicios de datos de mercado históricos:"

#: What follows HMDS in a 162. {name} is SYMBOL@EXCHANGE Kind, {req_id} the request's id.
TAILS = {
    "pacing": "Historical data request pacing violation",
    "no-data": "HMDS query returned no data: {name}",
    "cancelled": "API historical data query cancelled: {req_id}",
    "invalid-step": "invalid step: 1",
    "no-permission": "No market data permissions for {exchange} {sec_type}",
    "different-ip": "Trading TWS session is connected from a different IP address",
}

#: Errors that answer a request.
REQUEST = {
    200: "No security definition has been found for the request",
    203: "The security is not available or allowed for this account.",
    320: "Error reading request:Message type {id}. Unable to parse data. {problem}",
    321: "Error validating request.-'bN' : cause - {cause}",
    322: "Error processing request.-'wd' : cause - Only 50 simultaneous API historical data requests allowed.",
    354: "Requested market data is not subscribed.Delayed market data is not available.{name}",
    366: "No historical data query found for ticker id:{req_id}",
    420: "Invalid Real-time Query:No market data permissions for {exchange} {sec_type}",
    10089: "Requested market data requires additional subscription for API. See link in 'Market Data Connections' dialog "
    "for more details.",
    10167: "Requested market data is not subscribed. Displaying delayed market data.",
    10197: "No market data during competing live session",
}

DUPLICATE_ID = "Error processing request.-'wd' : cause - Duplicate ticker ID for API historical data query"
AMBIGUOUS = "The contract description specified for {symbol} is ambiguous; you must specify the currency."
CLIENT_ID_IN_USE = "Unable to connect as the client id is already in use. Retry with a unique client id."
ORDER = "Order rejected - reason:the replay gateway takes no orders"
MESSAGE_RATE = "Max rate of messages per second has been exceeded:max={most} rec={count} ({strike})"
BAR_SIZE = "Historical data bar size setting is invalid. Legal ones are: {legal}"
WHAT = "What to show field is missing or incorrect."
EXCHANGE = "Please enter exchange"
DURATION = "Historical data request for durations longer than {most} must be made in {larger}."
DURATION_FORM = "Invalid duration: {text}"
END = "End Date/Time: The date, time, or time-zone entered is invalid: {text}"
NOT_SERVED = "the replay gateway does not serve {name}"

#: Notices about the session: request id -1.
NOTICES = {
    1100: "Connectivity between IBKR and Trader Workstation has been lost.",
    1101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained. All data farms are "
    "connected: usfarm; ushmds; secdefnj.",
    2103: "Market data farm connection is broken:usfarm",
    2104: "Market data farm connection is OK:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2106: "HMDS data farm connection is OK:ushmds",
    2107: "HMDS data farm connection is inactive but should be available upon demand.ushmds",
    2108: "Market data farm connection is inactive but should be available upon demand.usfarm",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
    2119: "Market data farm is connecting:usfarm",
    2157: "Sec-def data farm connection is broken:secdefnj",
    2158: "Sec-def data farm connection is OK:secdefnj",
}

AT_START = (2104, 2106, 2158)


def hmds(tail: str, spanish: bool = False, **values: object) -> str:
    """The whole text of a 162."""
    return (HMDS_SPANISH if spanish else HMDS) + TAILS.get(tail, tail).format(**values)
