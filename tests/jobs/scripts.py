"""Calls a bin script as a person would, in this process: its own parser, its own job, a real database."""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import logging
from collections.abc import Callable
from types import ModuleType

import psycopg

from scizor.base.clock import Clock
from scizor.base.config import Config
from scizor.base.paths import ROOT
from scizor.run.context import Context, Result
from scizor.run.script import make_parser
from scizor.run.stop import Stop

Call = Callable[..., Result]


def script(name: str) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(f"bin_{name.replace('-', '_')}", str(ROOT / "bin" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def parse(name: str, *argv: str) -> argparse.Namespace:
    module = script(name)
    return make_parser(name, module.__doc__ or "", module.arguments).parse_args(argv)


def context_of(config: Config, connection: psycopg.Connection, clock: Clock, name: str, *argv: object) -> Context:
    """What the runner would hand to the script's job."""
    return Context(
        name=name, scope="", run_id="0" * 32, args=parse(name, *map(str, argv)), config=config, clock=clock,
        paths=config.make_paths(), log=logging.getLogger("tests"), stop=Stop(), database=connection,
    )  # fmt: skip


def caller(config: Config, connection: psycopg.Connection, clock: Clock) -> Call:
    """call("symbols", "import", FILE): the Result, or the error that the runner would turn into an exit status."""

    def call(name: str, *argv: object) -> Result:
        result: Result = script(name).job(context_of(config, connection, clock, name, *argv))
        return result

    return call
