"""Starts a foreign client, hears what it was told, and says what of that is wrong. The source is tests.replay.memory."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from typing import Any

from tests.foreign import install
from tests.replay.conftest import CLOSE

#: Each client and the version that it speaks with us.
CLIENTS = {"ibapi": 157, "stoqey": 178}


def command_of(name: str) -> tuple[list[str], dict[str, str], str]:
    """Its command without port and client id, its environment, its directory. UnavailableError says why not."""
    if name == "ibapi":
        return [sys.executable, str(install.HERE / "ibapi_client.py")], {"PYTHONPATH": str(install.ibapi())}, str(install.HOME)
    return [str(shutil.which("node")), str(install.HERE / "stoqey_client.js")], {}, str(install.stoqey())


async def ask(name: str, port: int, client_id: int) -> dict[str, Any]:
    """What the client was told."""
    command, environment, folder = command_of(name)
    process = await asyncio.create_subprocess_exec(
        *command, str(port), str(client_id), cwd=folder, env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, problem = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, problem.decode()
    return dict(json.loads(out.decode().splitlines()[-1]))


def wrong(told: dict[str, Any], version: int) -> list[str]:
    """Everything that the client was not told as the source has it."""
    minute = [each for each in told["minutes"] if float(each[5]) == 1000]
    checks = {
        "nothing is missing": told["missing"] == [],
        "version": told.get("version") == version,
        "account": told.get("accounts") == "RP0000001",
        "time": abs(int(told.get("time", 0)) - CLOSE.timestamp()) < 120,
        "contract": (told.get("con_id"), told.get("time_zone")) == (4036812, "Australia/NSW"),
        "ten sessions": [each[0] for each in told["daily"]][::9] == ["20250102", "20250115"] and len(told["daily"]) == 10,
        "close": bool(told["daily"]) and abs(float(told["daily"][-1][4]) - 212.68) < 1e-9,
        "volume": bool(told["daily"]) and int(float(told["daily"][-1][5])) == 948837,
        "minutes": len(minute) == 371 and int(minute[0][0]) == 1736895600,
        "head": int(told.get("head", 0)) == 1420066800,
        "farm notices only": {code for _, code, _ in told["errors"]} <= {2104, 2106, 2158},
    }
    return [name for name, is_right in checks.items() if not is_right]
