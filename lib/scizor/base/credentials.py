"""Secrets that systemd hands to one unit alone: where they lie, and which ones a configuration names."""

from __future__ import annotations

import os
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from scizor.base.errors import ConfigurationError
from scizor.base.paths import ROOT

CREDENTIAL = "credential:"  # in place of a secret file: one that systemd loads


def source(name: str) -> Path:
    """The file that systemd loads it from."""
    return ROOT / "etc" / "secrets" / name


def find(word: str) -> tuple[Path, bool]:
    """Where the secret of "credential:NAME" lies, and whether systemd guards it; outside of a unit, in the file itself."""
    name = word.removeprefix(CREDENTIAL)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ConfigurationError(f"{word!r} names no credential", hint="credential:NAME, of letters, digits, - and _")
    loaded = Path(os.environ.get("CREDENTIALS_DIRECTORY", "")) / name
    return (loaded, True) if loaded.is_absolute() and loaded.exists() else (source(name), False)


def named(config: object) -> list[str]:
    """The names of all credentials in a configuration (its dataclasses, whatever their sections)."""
    found = []
    for each in fields(cast(Any, config)):
        value = getattr(config, each.name)
        if is_dataclass(value):
            found += named(value)
        elif isinstance(value, str) and value.startswith(CREDENTIAL):
            found.append(value.removeprefix(CREDENTIAL))
    return sorted(set(found))
