"""What a trial found: figures, and checks that each say what was wanted and what was measured. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Check:
    """One demand and whether it was met."""

    what: str
    wanted: str
    measured: str
    met: bool


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finished trial. It passed when every check is met and there is at least one."""

    trial: str
    checks: list[Check]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.met for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """For one line of JSON: a figure that has no end is null."""
        failed = [check.what for check in self.checks if not check.met]
        checks = [[c.what, c.wanted, c.measured, c.met] for c in self.checks]
        return {"trial": self.trial, "passed": self.passed, "failed": failed, "figures": finite(self.figures), "checks": checks}


def at_most(what: str, limit: float, measured: float, unit: str = "") -> Check:
    """Met when `measured` is no more than `limit`."""
    return Check(what, f"<= {shown(limit)}{unit}", f"{shown(measured)}{unit}", measured <= limit)


def at_least(what: str, limit: float, measured: float, unit: str = "") -> Check:
    """Met when `measured` is no less than `limit`."""
    return Check(what, f">= {shown(limit)}{unit}", f"{shown(measured)}{unit}", measured >= limit)


def exactly(what: str, wanted: int, measured: int) -> Check:
    """Met when both are equal."""
    return Check(what, f"{wanted:,}", f"{measured:,}", measured == wanted)


def between(what: str, low: float, high: float, measured: float, unit: str = "") -> Check:
    """Met when `measured` lies in the range, ends included."""
    return Check(what, f"{shown(low)} to {shown(high)}{unit}", f"{shown(measured)}{unit}", low <= measured <= high)


def quantile(values: Iterable[float], q: float) -> float:
    """Nearest rank; not a number of nothing, so that no comparison with it is met."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else math.nan


def shown(value: float) -> str:
    """A figure as a person reads it."""
    if not math.isfinite(value):
        return "never" if math.isinf(value) else "nothing"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.3g}"


def finite(value: Any) -> Any:
    """The same with null for what is no number, at any depth, floats rounded."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
