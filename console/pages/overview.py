"""The first page: is it us or them, since when, what do I press?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from console.pages import gate, ranges
from console.pages.condition import conditions
from console.pages.format import clock, count, plural
from console.pages.history import history
from console.pages.site import blocking, link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.deps import Deps
    from console.pages.condition import Condition
    from console.pages.ranges import Range
    from console.pages.site import Site, Visit

_FAILING_SHOWN: Final = 20


def routes(site: Site) -> list[BaseRoute]:
    """`/`."""
    return [gate.page(site, "/", _overview)]


async def _overview(visit: Visit) -> Response:
    wanted = ranges.parse(visit.query, visit.now)
    return visit.page("overview.html", title="Overview", here="/", **await blocking(_context, visit.deps, wanted, visit.now))


def _context(deps: Deps, wanted: Range, now: int) -> dict[str, Any]:
    known = conditions(deps)
    totals = deps.stats.totals()
    rates, latency = history(deps, wanted)
    waiting = totals.queued + totals.retrying
    tiles = ("delivered", "queued", "retrying", "dead", *(("superseded",) if totals.superseded else ()))
    return {
        "answer": answer(known, waiting, deps.stats.oldest_waiting() if waiting else None, totals.dead, now),
        "range": wanted,
        "range_links": range_links("/", {}, wanted),
        "endpoints": len(known),
        "tiles": [
            (name, getattr(totals, name), "/dead" if name == "dead" else link("/deliveries", state=name, range="7d"))
            for name in tiles
        ],
        "rates": rates,
        "latency": latency,
        "failing": [c for c in known if c.state == "failing" or (c.state != "active" and c.waiting)][:_FAILING_SHOWN],
    }


def answer(known: Sequence[Condition], waiting: int, oldest: int | None, dead: int, now: int) -> str:
    """The first line, in words. Pure."""
    failing = sum(c.state == "failing" for c in known)
    stopped = sum(c.state in {"paused", "disabled"} for c in known)
    if not known:
        return "No endpoint is set up yet, so nothing is sent."
    if failing:
        said = [f"{count(failing)} of {plural(len(known), 'endpoint')} {'is' if failing == 1 else 'are'} failing"]
    elif stopped == len(known):
        said = ["Every endpoint is paused or disabled"]
    else:
        said = [
            "All active endpoints are well"
            if stopped
            else f"{'The endpoint is' if len(known) == 1 else 'All endpoints are'} well"
        ]
    if stopped and stopped < len(known):
        said[0] += f", {count(stopped)} {'is' if stopped == 1 else 'are'} paused or disabled"
    since = f", the oldest since {clock(oldest, now)}" if oldest is not None else ""
    said.append(f"{plural(waiting, 'delivery waits', 'deliveries wait')}{since}" if waiting else "nothing waits")
    if dead:
        said.append(f"{plural(dead, 'dead letter')} to look at")
    return "; ".join(said) + "."


def range_links(path: str, kept: dict[str, str], wanted: Range) -> list[tuple[str, str, str]]:
    """The choices of time, each a link to the same page. Custom keeps what is shown and lets its ends be edited."""
    links = [(name, label, link(path, **kept, range=name)) for name, (label, _) in ranges.RANGES.items()]
    custom = link(path, **kept, from_=ranges.edge(wanted.since), to=ranges.edge(wanted.until))
    return [*links, ("custom", "Custom", custom)]
