"""Powers of two for the decay: no exp, no pow, the same bits on every machine.

FRACTION[i] = 2^(i/2048), correctly rounded, from 50-digit decimals (a test proves the rounding in whole numbers, and a
digest of the bytes stands there); POWER[k] = 2^k and INVERSE_POWER[k] = 2^-k exactly. Their product is ldexp without a call.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

STEPS_LOG2 = 11
STEPS = 1 << STEPS_LOG2


def _fractions() -> NDArray[np.float64]:
    with localcontext() as context:
        context.prec = 50
        step = Decimal(2) ** (Decimal(1) / STEPS)
        value, found = Decimal(1), []
        for _ in range(STEPS):
            found.append(float(value))  # the decimal's error is below 1e-45: far from any tie between two floats
            value *= step
    return np.array(found)


FRACTION = _fractions()
POWER = np.array([2.0**k for k in range(1024)])
INVERSE_POWER = 1.0 / POWER
