"""Amounts of money in one canonical decimal form, so that equal amounts have equal bytes wherever they come from.

At least the currency's minor digits (ISO 4217), further digits only where they are not zero, six at most: the scale
of the Avro schema. 78.4 EUR, 78.40 EUR and the 78.400000 EUR read back from Avro are all "78.40".
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final

from schemas.records import Money

SCALE: Final = 6
LARGEST: Final = 28 - SCALE  # integer digits the Avro decimal holds
NO_CURRENCY: Final = "XXX"  # ISO 4217: no currency involved
ZERO: Final = Decimal(0)

_NONE: Final = (
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
)  # fmt: skip
_THREE: Final = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_MINOR: Final = dict.fromkeys(_NONE, 0) | dict.fromkeys(_THREE, 3) | dict.fromkeys(("CLF", "UYW"), 4)  # all others two
_STEPS: Final = tuple(Decimal(1).scaleb(-n) for n in range(SCALE + 1))
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


def minor_digits(currency: str) -> int:
    """Digits after the point that the currency has."""
    return _MINOR.get(currency, 2)


def money(value: object, currency: str) -> Money:
    """An amount in its canonical form. Raises ValueError saying what is wrong with the value or the currency."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{value!r} is no amount: want a decimal number")  # noqa: TRY004 - bad input, not a bug
    return _money(value, currency)


def minor(value: int, currency: str, digits: int | None = None) -> Money:
    """An amount given in the currency's minor unit, as Stripe does; `digits` where the giver counts otherwise than ISO."""
    upper = currency.upper()
    return money(Decimal(value).scaleb(-(minor_digits(upper) if digits is None else digits)), upper)


@lru_cache(maxsize=16_384)
def _money(value: str | int | Decimal, currency: str) -> Money:
    if not _CURRENCY.fullmatch(currency):
        raise ValueError(f"{currency!r} is no currency: want an ISO 4217 code such as EUR")
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError(f"{value[:40]!r} is no amount: want a decimal number")
    upper = currency.upper()
    return Money(amount=_canonical(Decimal(value), upper), currency=upper)


def _canonical(amount: Decimal, currency: str) -> Decimal:
    if not amount.is_finite() or (amount and amount.adjusted() >= LARGEST):
        raise ValueError(f"an amount with more than {LARGEST} digits before the point cannot be kept")
    exact = amount.quantize(_STEPS[SCALE], ROUND_HALF_UP) + ZERO  # + 0 turns -0 into 0
    for step in _STEPS[minor_digits(currency) :]:
        short = exact.quantize(step, ROUND_HALF_UP)
        if short == exact:
            return short
    return exact
