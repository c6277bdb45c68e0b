"""A configuration file for a test, written from a Config, so that scripts and the runner read what people would write."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path

from scizor.base.config import Config


def write(config: Config, file: Path) -> Path:
    """TOML of everything that differs from the default."""
    lines = [f'mode = "{config.mode}"']
    for section in fields(config):
        value = getattr(config, section.name)
        if is_dataclass(value):
            lines.append(f"[{section.name}]")
            for key in fields(value):
                item = getattr(value, key.name)
                if item != key.default:
                    lines.append(f"{key.name} = {_toml(item)}")
    file.write_text("\n".join(lines) + "\n")
    return file


def _toml(item: object) -> str:
    return f'"{item}"' if isinstance(item, str) else str(item).lower()
