"""Lists of deliveries: filtered by the URL, cursor-paged, with a count of what came since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

from console.pages import gate, ranges, words
from console.pages.format import count, plural
from console.pages.overview import range_links
from console.pages.site import blocking, link
from console.queries import WAITING, DeliveryFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.deps import Deps
    from console.pages.ranges import Range
    from console.pages.site import Site, Visit
    from console.rows import DeliveryRow, Page

PER_PAGE: Final = 50
STATES: Final = ("waiting", "queued", "retrying", "delivered", "dead", "superseded")
"""States of the filter; "waiting" is all that is not final."""


def routes(site: Site) -> list[BaseRoute]:
    """`/deliveries` and the count behind its "n new"."""
    return [gate.page(site, "/deliveries", _list), gate.page(site, "/deliveries/newer", _newer)]


def wanted_of(query: Mapping[str, str], wanted: Range) -> DeliveryFilter:
    """The filter a query string asks for."""
    state = query.get("state", "")
    states = WAITING if state == "waiting" else (state,) if state in STATES else ()
    return DeliveryFilter(
        endpoint_id=query.get("endpoint") or None,
        states=states,
        event_type=query.get("type") or None,
        search=query.get("q") or None,
        received_from=wanted.since,
        received_to=None if wanted.name in ranges.RANGES else wanted.until,
    )


def kept(query: Mapping[str, str], *names: str) -> dict[str, str]:
    """Those parameters of the query that a link to the same list keeps."""
    return {name: query[name] for name in names if query.get(name)}


def urls(deps: Deps) -> dict[str, str]:
    """Endpoint id to URL."""
    return {endpoint_id: endpoint.config.url for endpoint_id, endpoint in deps.endpoints.items.items()}


async def _list(visit: Visit) -> Response:
    query = visit.query
    wanted = ranges.parse(query, visit.now)
    context = await blocking(_context, visit.deps, query, wanted)
    return visit.page("deliveries.html", title="Deliveries", here="/deliveries", **context)


def _context(deps: Deps, query: Mapping[str, str], wanted: Range) -> dict[str, Any]:
    page = deps.queries.deliveries(wanted_of(query, wanted), cursor=query.get("cursor") or None, limit=PER_PAGE)
    filters = kept(query, "q", "endpoint", "state", "type")
    time = kept(query, "range", "from", "to")
    newest = page.data[0].received_at if page.data and not query.get("cursor") else wanted.now
    known = query.get("state", "") in {"", *STATES}
    return {
        **listing(deps, page, filters | time, "/deliveries", query),
        "answer": _answer(deps, wanted, query),
        "errors": [e for e in (wanted.error, "" if known else f"{query['state']!r} is no state of a delivery.") if e],
        "range": wanted,
        "range_links": range_links("/deliveries", filters, wanted),
        "newer": link("/deliveries/newer", after=newest, **filters) if wanted.name in ranges.RANGES else "",
        "states": STATES,
        "filtered": bool(filters),
        "v": {name: query.get(name, "") for name in ("q", "endpoint", "state", "type", "from", "to")},
    }


def listing(deps: Deps, page: Page[DeliveryRow], keep: dict[str, str], path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """What the table, its filters and its pager need."""
    known = urls(deps)
    asked = query.get("endpoint", "")
    options = sorted((known if not asked or asked in known else known | {asked: asked}).items(), key=lambda item: item[1])
    return {
        "rows": page.data,
        "urls": known,
        "endpoint_options": options,
        "types": [t.type for t in deps.queries.event_types()],
        "first": link(path, **keep) if query.get("cursor") else "",
        "next": link(path, **keep, cursor=page.next_cursor) if page.next_cursor else "",
    }


def _answer(deps: Deps, wanted: Range, query: Mapping[str, str]) -> str:
    """The first line: what was made in the range, and what is still open of it."""
    endpoint = query.get("endpoint") or None
    if query.get("q") or query.get("type") or query.get("state"):
        state, kind = query.get("state", ""), query.get("type", "")
        parts = [words.state(state).word if state in STATES else "all", "deliveries"]
        parts += ["of", kind] if kind else []
        parts += ["with the id or key", query["q"]] if query.get("q") else []
        parts += ["to", urls(deps).get(endpoint, endpoint)] if endpoint else []
        return f"{' '.join(parts).capitalize()}, received in {wanted.words}."
    buckets = deps.stats.stats(wanted.since, wanted.until, wanted.bucket_ms // 1000, endpoint_id=endpoint)
    made, dead = sum(b.queued for b in buckets), sum(b.dead for b in buckets)
    totals = deps.stats.totals(endpoint)
    waiting = totals.queued + totals.retrying
    now = f"{plural(waiting, 'waits', 'wait')} now" if waiting else "nothing waits now"
    to = f" to {urls(deps).get(endpoint, endpoint)}" if endpoint else ""
    return f"{plural(made, 'delivery', 'deliveries')}{to} in {wanted.words}, {count(dead)} given up; {now}."


async def _newer(visit: Visit) -> Response:
    after = visit.query.get("after", "")
    if not after.isdecimal() or len(after) > 15:
        return JSONResponse({"error": "after: want a time in milliseconds"}, 400)
    since = ranges.Range("custom", int(after) + 1, visit.now, visit.now)
    filters = wanted_of(visit.query, since)
    found = await blocking(visit.deps.queries.deliveries, filters, limit=100)
    number = len(found.data)
    more = "more than " if found.next_cursor else ""
    return JSONResponse({"count": number, "words": f"{more}{count(number)} new"})
