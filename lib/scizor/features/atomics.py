"""Numbers that two threads share: loads that are not hoisted out of a loop, stores that others see after what preceded them.

numba has no volatile and no fences, so the few instructions are written as LLVM. Cells are int64 of one array.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any


@functools.cache
def atomics() -> SimpleNamespace:
    """load(cells, index) -> int with acquire, store(cells, index, value) with release, fence()."""
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
        struct = context.make_array(kind)(context, builder, array)
        place: Any = cgutils.get_item_pointer  # untyped in numba
        return place(context, builder, kind, struct, [index], wraparound=False)

    @intrinsic
    def load(_: Any, cells: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = pointer(context, builder, signature.args[0], arguments[0], arguments[1])
            return builder.load_atomic(place, "acquire", 8)

        return types.int64(cells, types.intp), generate

    @intrinsic
    def store(_: Any, cells: Any, index: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = pointer(context, builder, signature.args[0], arguments[0], arguments[1])
            builder.store_atomic(arguments[2], place, "release", 8)
            return context.get_dummy_value()

        return types.none(cells, types.intp, types.int64), generate

    @intrinsic
    def fence(_: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.fence("acq_rel")
            return context.get_dummy_value()

        return types.none(), generate

    return SimpleNamespace(load=load, store=store, fence=fence)
