"""Durations as people write them ("5s", "30m", "2h") and lists of them, parsed to seconds."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ONE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)\s*")


def parse(text: str) -> float:
    """Seconds of one duration; a bare number is seconds. Raises ValueError that says what is accepted."""
    match = _ONE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a number with ms, s, m, h or d, such as 30m")
    return float(match[1]) * _UNITS[match[2]]


def parse_schedule(text: str) -> tuple[float, ...]:
    """Seconds before each retry. A leading 0 stands for the first attempt itself and is dropped.

    "0, 5s, 5m" and "5s,5m" both mean: try at once, again after 5 s, again after 5 min, then give up.
    """
    delays = tuple(parse(part) for part in text.strip(" []").split(",") if part.strip())
    return delays[1:] if delays and delays[0] == 0 else delays


def show(seconds: float) -> str:
    """A duration in its largest whole unit: 300 -> "5m", 90 -> "90s"."""
    for unit in ("d", "h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.12g}{unit}"
    return f"{seconds:.12g}s"
