"""One undecorated source, several compilations: copies of a module's functions, decorated, that call one another.

numba is imported by who decorates. A cache of compiled code must not outlive its source: numba looks at the time of the
one file that a function stands in, not at those whose functions it calls, so a digest of all of them is part of the name
under which code is cached.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np


def compiled(
    modules: Sequence[ModuleType],
    decorate: Callable[[Any, bool], Any],
    *,
    sources: Sequence[ModuleType] = (),
    replaced: Mapping[str, Any] | None = None,
    base: SimpleNamespace | None = None,
    given: Mapping[str, Any] | None = None,
    variant: str = "",
) -> SimpleNamespace:
    """The functions of all modules, decorated, by name. `modules`: those that are called before those that call.

    A module's INLINED names those functions that belong into their callers: decorate() is told.
    sources: modules whose text decides about the code as well (tables). replaced: functions that are given another body
    on this device, by name. base: what was compiled before, and is called instead of being compiled once more. given: further global names.
    variant: what record the functions are compiled for. numba names machine code by functions and by numbers that types have
    in one process; code of two processes, loaded from the cache into a third, is told apart by the functions' names alone.
    """
    digest = _digest([*modules, *sources], variant if base is None else base.digest + variant)
    names: dict[str, Any] = {} if base is None else {**vars(base)}
    found: dict[Any, Any] = {} if base is None else dict(base.found)
    for module in modules:
        space = {**vars(module), **(given or {})}
        for name, value in vars(module).items():
            if not isinstance(value, FunctionType):
                continue
            if value.__module__ != module.__name__:
                space[name] = found.get(value, value)
                continue
            if replaced and name in replaced:
                made = replaced[name]
            else:
                copy = FunctionType(value.__code__, space, name, value.__defaults__)
                copy.__qualname__ = f"{name}_{digest}"
                copy.__module__ = module.__name__
                made = decorate(copy, name in getattr(module, "INLINED", ()))
            space[name] = found[value] = names[name] = made
    return SimpleNamespace(**{**names, "digest": digest, "found": found})


def cpu(function: Any, is_inlined: bool = False) -> Any:
    """numba's njit as the kernels want it: no GIL, IEEE division without a branch, cached where a cache can be written."""
    import numba

    made = numba.njit(nogil=True, error_model="numpy", boundscheck=False, forceinline=is_inlined)(function)
    with contextlib.suppress(RuntimeError):  # no place to cache in: it is compiled at every start
        made.enable_caching()
    return made


def _digest(modules: Sequence[ModuleType], before: str) -> str:
    text = "\0".join([np.__version__, before, *(Path(each.__file__ or "").read_text() for each in modules)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
