"""Numbers, durations, sizes, times and ids as people read them. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup, escape

_STEPS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_TEN_THOUSAND_YEARS_MS: Final = 253_402_300_799_000


def count(number: float) -> str:
    """1204 -> "1,204"."""
    return f"{number:,.0f}"


def compact(number: float) -> str:
    """For axes: 1200 -> "1.2k", 0.5 -> "0.5"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def plural(number: int, one: str, many: str = "") -> str:
    """1 -> "1 delivery", 1204 -> "1,204 deliveries"."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def three(value: float) -> str:
    """A number with three digits, without an exponent: 4.2134 -> "4.21", 1234.5 -> "1,235"."""
    if abs(value) >= 100:
        return count(value)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def duration(ms: float) -> str:
    """Measured time, to three digits: 12.34 -> "12.3 ms", 15000 -> "15.0 s"."""
    if ms < 1000:
        return f"{three(ms)} ms"
    seconds = ms / 1000
    for size, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{three(seconds / size)} {unit}"
    return f"{three(seconds)} s"


def span(seconds: float) -> str:
    """A rough length of time in its largest unit: 312 -> "5 min"."""
    seconds = abs(seconds)
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def relative(at_ms: int, now_ms: int) -> str:
    """ "5 min ago", "in 2 h", "now"."""
    gap = (at_ms - now_ms) / 1000
    if abs(gap) < 1:
        return "now"
    return f"in {span(gap)}" if gap > 0 else f"{span(gap)} ago"


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(at_ms, 0), _TEN_THOUSAND_YEARS_MS) / 1000, UTC)


def iso(at_ms: int) -> str:
    """For machines, and for the browser that turns it to the viewer's zone."""
    return _moment(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def absolute(at_ms: int) -> str:
    """ "2026-11-23 02:14:07 UTC"."""
    return _moment(at_ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(at_ms: int, now_ms: int) -> str:
    """Shortest absolute time that is not ambiguous: "02:14" today, "22 Nov 02:14" else."""
    at, now = _moment(at_ms), _moment(now_ms)
    return at.strftime("%H:%M" if at.date() == now.date() else "%d %b %H:%M")


def axis(at_ms: int, form: str) -> str:
    """A moment below a chart: the time of day when `form` is "hour", else the day."""
    return _moment(at_ms).strftime("%H:%M" if form == "hour" else "%d %b")


def size(number: int) -> str:
    """1536 -> "1.50 KiB"."""
    value, unit = float(number), _BYTES[0]
    for unit in _BYTES:
        if value < 1024 or unit == _BYTES[-1]:
            break
        value /= 1024
    return f"{value:.0f} B" if unit == "B" else f"{three(value)} {unit}"


def percent(ratio: float) -> str:
    """Share, never rounded up to a false 100 %: 0.9996 -> "99.9 %"."""
    if ratio >= 1:
        return "100 %"
    return f"{int(ratio * 1000) / 10:g} %"


def short(identifier: str) -> str:
    """Head and tail of a long id: "dlv_9f3k2m…x7"; short ones stay whole."""
    return identifier if len(identifier) <= 18 else f"{identifier[:11]}…{identifier[-4:]}"


def pretty(payload: bytes) -> str | None:
    """Indented JSON, or None when the bytes are no JSON."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def text(payload: bytes) -> str:
    """Bytes as text; what is no UTF-8 shows as replacement characters, control characters as escapes."""
    decoded = payload.decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in decoded.replace("\r\n", "\n"))


def breakable(url: str) -> Markup:
    """A URL that may wrap behind its slashes; escaped."""
    return Markup(str(escape(url)).replace("/", "/<wbr>"))  # noqa: S704 - escaped just here


def short_url(url: str) -> str:
    """A URL without its scheme, cut in the middle when long: both host and end tell endpoints apart."""
    bare = url.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare if len(bare) <= 48 else f"{bare[:30]}…{bare[-17:]}"
