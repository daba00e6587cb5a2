"""What commands print: JSON for programs, a table or lines for people."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
out = Console(highlight=False, soft_wrap=True)
COLOURS: Final = {
    "active": "green", "delivered": "green", "retrying": "yellow", "queued": "cyan", "paused": "yellow", "disabled": "red",
    "dead": "red", "open": "red", "half_open": "yellow",
}  # fmt: skip
_STEPS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def as_json(found: Any) -> None:
    """Print JSON."""
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


def table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[tuple[str, Callable[[Mapping[str, Any]], object]]], none: str
) -> None:
    """Print a table, or `none`. Values are text from anywhere: never read as markup."""
    shown = Table(*(name for name, _ in columns), box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(_cell(get(row)) for _, get in columns))
    if shown.row_count:
        # Ids are there to be copied: a narrow terminal wraps lines, it does not cut them.
        whole = Measurement.get(out, out.options.update(max_width=10_000), shown).maximum
        Console(highlight=False, width=max(out.width, whole)).print(shown)
    else:
        typer.echo(none)


def fields(found: Mapping[str, Any]) -> None:
    """Print one thing, a field a line."""
    width = max(map(len, found), default=0)
    for name, value in found.items():
        out.print(Text(f"{name:<{width}}  "), _cell(_plain(name, value)), sep="")


def ago(at_ms: int | None) -> str:
    """How long ago, in its largest unit."""
    if at_ms is None:
        return "-"
    seconds = time.time() - at_ms / 1000
    words = next((f"{abs(seconds) / size:.0f} {unit}" for size, unit in _STEPS if abs(seconds) >= size), "now")
    return words if words == "now" else f"in {words}" if seconds < 0 else f"{words} ago"


def moment(at_ms: int | None) -> str:
    """A time in words that sort."""
    return "-" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")


def _cell(value: object) -> Text:
    text = "-" if value in (None, "", []) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Text(text, style=COLOURS.get(text, ""))


def _plain(name: str, value: Any) -> object:
    if name.endswith("_at") and isinstance(value, int):
        return f"{moment(value)} ({ago(value)})"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [v["id"] + (f" until {moment(v['expires_at'])}" if v.get("expires_at") else "") for v in value]
    return value
