"""The product's source as trees: what each module imports, and when. Read, never imported."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scizor.base.paths import ROOT

LIB = ROOT / "lib"


@dataclass(frozen=True)
class Import:
    """target: dotted, as far as it is a module. is_late: inside a function. is_for_types: under TYPE_CHECKING."""

    target: str
    line: int
    is_late: bool
    is_for_types: bool

    @property
    def top(self) -> str:
        return self.target.split(".")[0]


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module
    is_package: bool = False

    @property
    def room(self) -> str:
        """'db' of scizor.db.connect; '' of scizor itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


def parse(name: str, text: str, *, is_package: bool = False) -> Module:
    return Module(name, ast.parse(text, filename=name), is_package)


@functools.cache
def product() -> Mapping[str, Module]:
    """All modules below lib/, by name."""
    found = {}
    for path in sorted(LIB.rglob("*.py")):
        parts = path.relative_to(LIB).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name] = parse(name, path.read_text(), is_package=is_package)
    return found


@functools.cache
def scripts() -> Mapping[str, Module]:
    """The Python scripts of bin/, by file name."""
    return {path.name: parse(path.name, path.read_text()) for path in bin_files() if "/python\"" in first_line(path) or "/setup\"" in first_line(path)}


def bin_files() -> list[Path]:
    return sorted(path for path in (ROOT / "bin").iterdir() if path.is_file() and not path.name.startswith((".", "_")))


def first_line(path: Path) -> str:
    return path.read_text().split("\n", 1)[0]


def imports(module: Module, known: Mapping[str, Module]) -> list[Import]:
    """Every import of the module. `from scizor.db import connect` is of scizor.db.connect where that is a module."""
    return list(_imports(module, module.tree, known, is_late=False, is_for_types=False))


def _imports(
    module: Module, node: ast.AST, known: Mapping[str, Module], *, is_late: bool, is_for_types: bool
) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        late = is_late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, late, is_for_types)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(module, child)
            for alias in child.names:
                longer = f"{base}.{alias.name}"
                yield Import(longer if longer in known else base, child.lineno, late, is_for_types)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part in child.body:
                yield from _imports(module, ast.Module([part], []), known, is_late=late, is_for_types=True)
            for part in child.orelse:
                yield from _imports(module, ast.Module([part], []), known, is_late=late, is_for_types=is_for_types)
        else:
            yield from _imports(module, child, known, is_late=late, is_for_types=is_for_types)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    package = package if module.is_package else package[:-1]
    package = package[: len(package) - (node.level - 1)]
    return ".".join([*package, *filter(None, [node.module])])
