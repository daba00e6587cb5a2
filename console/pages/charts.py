"""Charts as geometry: numbers to the shapes that templates/_charts.html draws as SVG. Pure.

Plots are 100 units high, one unit wide per bar; the y axis starts at zero and ends at a round number.
"""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING, Final

import msgspec

from console.pages import words
from console.pages.format import compact, count, duration, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from console.pages.words import Tone

HEIGHT: Final = 100.0
_STEPS: Final = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10, 20)
_HOURS_MS: Final = 36 * 3600 * 1000
_GAP: Final = 0.18  # of a bar's place


class Mark(msgspec.Struct, frozen=True):
    """One rectangle of a bar."""

    tone: Tone
    y: float
    height: float


class Bar(msgspec.Struct, frozen=True):
    """One place on the x axis: its stack and what it says when pointed at."""

    x: float
    at: int
    marks: list[Mark]
    words: str


class Line(msgspec.Struct, frozen=True):
    """A line with gaps where there was nothing to measure: one polyline per piece."""

    name: str
    style: str
    pieces: list[str]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a template needs; `summary` is the text alternative, `table` the same numbers as rows."""

    title: str
    unit: str
    width: float
    bars: list[Bar]
    lines: list[Line]
    legend: list[tuple[str, str]]  # css class of the key, words
    y: list[str]  # labels, top first
    x: list[int]  # moments, left first
    summary: str
    columns: list[str]
    table: list[tuple[int, list[str]]]

    @property
    def x_form(self) -> str:
        """What the moments of the x axis say: the hour, or the day where it is much longer than one."""
        return "hour" if not self.x or self.x[-1] - self.x[0] <= _HOURS_MS else "day"

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(bar.marks for bar in self.bars) and not any(line.pieces for line in self.lines)

    @property
    def bar_width(self) -> float:
        """Width of a bar's marks."""
        return 1 - _GAP


def ceiling(value: float, *, whole: bool = False) -> float:
    """The top of an axis: the smallest round number not below `value` whose half is round too.

    With `whole` both are whole numbers.
    """
    if value <= 0:
        return 2 if whole else 1
    power = 10.0 ** floor(log10(value))
    tops = (step * power for step in _STEPS)
    return next(top for top in tops if top >= value * 0.999999 and (not whole or top % 2 == 0))


def stacked(title: str, moments: Sequence[int], series: Mapping[str, Sequence[int]], *, bucket_ms: int) -> Chart:
    """Counts by state over time, stacked, per bar: what the axis says is what was counted."""
    totals = [sum(values[i] for values in series.values()) for i in range(len(moments))]
    top = ceiling(max(totals, default=0), whole=True)
    bars = []
    for i, at in enumerate(moments):
        marks, floor_y, said = [], HEIGHT, []
        for name, values in series.items():
            if values[i]:
                height = values[i] / top * HEIGHT
                floor_y -= height
                marks.append(Mark(words.state(name).tone, round(floor_y, 2), round(height, 2)))
                said.append(f"{count(values[i])} {words.state(name).word}")
        bars.append(Bar(i + _GAP / 2, at, marks, ", ".join(said) or "nothing"))
    sums = {name: sum(values) for name, values in series.items()}
    summary = ", ".join(f"{count(n)} {words.state(s).word}" for s, n in sums.items()) or "nothing happened"
    return Chart(
        title=title,
        unit=f"per {span(bucket_ms / 1000).removeprefix('1 ')}",
        width=float(max(len(moments), 1)),
        bars=bars,
        lines=[],
        legend=[(f"f-{words.state(s).tone}", f"{words.state(s).word} {count(n)}") for s, n in sums.items()],
        y=[compact(top), compact(top / 2), "0"],
        x=_ticks(moments, bucket_ms),
        summary=f"{title}: {summary}.",
        columns=[words.state(s).word for s in series],
        table=[(at, [count(v[i]) for v in series.values()]) for i, at in enumerate(moments)],
    )


def latency(title: str, moments: Sequence[int], series: Mapping[str, Sequence[float | None]], *, bucket_ms: int) -> Chart:
    """Milliseconds over time, at most two lines."""
    values = [v for line in series.values() for v in line if v is not None]
    top = ceiling(max(values, default=0))
    styles = ("accent", "odd")
    lines = [
        Line(name, f"s-{style}", _pieces(points, top)) for (name, points), style in zip(series.items(), styles, strict=False)
    ]
    said = [f"{name} at most {duration(max(known))}" for name, line in series.items() if (known := _known(line))]
    bars = [Bar(i, at, [], ", ".join(f"{n} {_or_dash(line[i])}" for n, line in series.items())) for i, at in enumerate(moments)]
    return Chart(
        title=title,
        unit="receipt to their 2xx",
        width=float(max(len(moments), 1)),
        bars=bars,
        lines=lines,
        legend=[(f"f-{style}", name) for name, style in zip(series, styles, strict=False)],
        y=[_axis_duration(top), _axis_duration(top / 2), "0"],
        x=_ticks(moments, bucket_ms),
        summary=f"{title}: {', '.join(said) or 'nothing was measured'}.",
        columns=list(series),
        table=[(at, [_or_dash(line[i]) for line in series.values()]) for i, at in enumerate(moments)],
    )


class Spark(msgspec.Struct, frozen=True):
    """A sparkline: one SVG path per tone, 100 units high, one unit wide per place."""

    width: int
    paths: list[tuple[Tone, str]]


def spark(delivered: Sequence[int], failed: Sequence[int]) -> Spark:
    """Bars of what was delivered with what failed on top."""
    top = max((a + b for a, b in zip(delivered, failed, strict=True)), default=0) or 1
    good, bad = "", ""
    for x, (low, high) in enumerate(zip(delivered, failed, strict=True)):
        middle, end = round(HEIGHT - low / top * HEIGHT), round(HEIGHT - (low + high) / top * HEIGHT)
        good += _box(x, middle, round(HEIGHT))
        bad += _box(x, end, middle)
    tones: tuple[tuple[Tone, str], ...] = (("good", good), ("bad", bad))
    return Spark(max(1, len(delivered)), [(tone, path) for tone, path in tones if path])


def _box(x: int, top: int, bottom: int) -> str:
    return f"M{x}.1 {top}h.8V{bottom}h-.8z" if top < bottom else ""


class Phase(msgspec.Struct, frozen=True):
    """One part of an attempt's time: where it lies on a bar 100 units wide."""

    name: str
    style: str
    x: float
    width: float
    words: str


def phases(dns_ms: float, connect_ms: float, tls_ms: float, first_byte_ms: float, total_ms: float) -> list[Phase]:
    """An attempt's time split: DNS, connect, TLS, waiting for the first byte, reading the rest."""
    setup = dns_ms + connect_ms + tls_ms
    answered = first_byte_ms or total_ms
    parts = (
        ("DNS", "f-quiet", dns_ms),
        ("connect", "f-wait", connect_ms),
        ("TLS", "f-odd", tls_ms),
        ("wait", "f-accent", max(0.0, answered - setup)),
        ("read", "f-good", max(0.0, total_ms - answered)),
    )
    whole = sum(ms for *_, ms in parts) or 1.0
    found, x = [], 0.0
    for name, style, ms in parts:
        width = ms / whole * 100
        if ms > 0:
            found.append(Phase(name, style, round(x, 2), round(width, 2), duration(ms)))
        x += width
    return found


def _ticks(moments: Sequence[int], bucket_ms: int) -> list[int]:
    """Five evenly spaced moments from the first bar's beginning to the last one's end."""
    if not moments:
        return []
    first, end = moments[0], moments[-1] + bucket_ms
    return [first + (end - first) * i // 4 for i in range(5)]


def _pieces(points: Sequence[float | None], top: float) -> list[str]:
    pieces: list[str] = []
    piece: list[tuple[float, float]] = []
    for i, value in enumerate([*points, None]):
        if value is not None:
            piece.append((i + 0.5, round(HEIGHT - value / top * HEIGHT, 2)))
            continue
        if len(piece) == 1:  # a lone value is a dash, not an invisible point
            x, y = piece[0]
            piece = [(x - 0.3, y), (x + 0.3, y)]
        if piece:
            pieces.append(" ".join(f"{x:g},{y:g}" for x, y in piece))
        piece = []
    return pieces


def _known(line: Sequence[float | None]) -> list[float]:
    return [v for v in line if v is not None]


def _or_dash(ms: float | None) -> str:
    return "-" if ms is None else duration(ms)


def _axis_duration(ms: float) -> str:
    if ms < 1000:
        return f"{ms:g} ms"
    return f"{ms / 1000:g} s" if ms < 60_000 else f"{ceil(ms / 60_000)} min"
