"""Dead letters, and the re-drive that says how many it will send before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from console import actions
from console.forms import RedriveForm
from console.pages import gate
from console.pages.deliveries import PER_PAGE, kept, listing, urls
from console.pages.format import count, plural
from console.pages.site import blocking, link
from console.pages.words import CAUSES
from console.problems import NotFoundError
from console.queries import DeliveryFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.deps import Deps
    from console.pages.site import Site, Visit

_NAMES: Final = ("endpoint", "type", "key", "cause")


def routes(site: Site) -> list[BaseRoute]:
    """`/dead`, the question before a re-drive, and its progress."""
    return [
        gate.page(site, "/dead", _list),
        gate.page(site, "/dead/redrive", _ask),
        gate.post(site, "/dead/redrive", _redrive),
        gate.page(site, "/dead/redrives/{id}", _progress),
        gate.post(site, "/dead/redrives/{id}/cancel", _cancel),
    ]


def _wanted(values: Mapping[str, str], now: int) -> RedriveForm:
    """What is dead now, not what dies later: the count that was confirmed is the most that is sent."""
    return RedriveForm(
        endpoint_id=values.get("endpoint") or None,
        event_type=values.get("type") or None,
        object_key=values.get("key") or None,
        cause=values.get("cause") or None,
        to=now + 1,
    )


def _filter(form: RedriveForm) -> DeliveryFilter:
    return DeliveryFilter(
        endpoint_id=form.endpoint_id,
        states=("dead",),
        event_type=form.event_type,
        object_key=form.object_key,
        cause=form.cause,
        received_to=form.to,
    )


async def _list(visit: Visit) -> Response:
    context = await blocking(_context, visit.deps, visit.query, visit.now)
    return visit.page("dead.html", title="Dead letters", here="/dead", **context)


def _context(deps: Deps, query: Mapping[str, str], now: int) -> dict[str, Any]:
    filters = kept(query, *_NAMES)
    wanted = _filter(_wanted(query, now))
    page = deps.queries.dead(wanted, cursor=query.get("cursor") or None, limit=PER_PAGE)
    total = deps.queries.count(wanted)
    return {
        **listing(deps, page, filters, "/dead", query),
        "answer": _answer(deps, total, filters),
        "total": total,
        "redrive": link("/dead/redrive", **filters) if total else "",
        "running": [job for job in deps.redrives.list() if job.state == "running"],
        "causes": list(CAUSES),
        "cause_words": CAUSES.get(query.get("cause", ""), ""),
        "filtered": bool(filters),
        "v": {name: query.get(name, "") for name in _NAMES},
    }


def _answer(deps: Deps, total: int, filters: dict[str, str]) -> str:
    if not total:
        return "Nothing was given up." if not filters else "Nothing that was given up fits the filter."
    where = f" {described(deps, filters)}" if filters else ""
    return f"{plural(total, 'delivery was', 'deliveries were')} given up{where}. Re-drive them when the cause is gone."


def described(deps: Deps, filters: Mapping[str, str]) -> str:
    """A filter in words."""
    parts = []
    if filters.get("type"):
        parts.append(f"of {filters['type']}")
    if filters.get("endpoint"):
        parts.append(f"to {urls(deps).get(filters['endpoint'], filters['endpoint'])}")
    if filters.get("key"):
        parts.append(f"for {filters['key']}")
    if filters.get("cause"):
        parts.append(f"because of {filters['cause'].replace('_', ' ')}")
    return " ".join(parts)


async def _ask(visit: Visit) -> Response:
    filters = kept(visit.query, *_NAMES)
    form = _wanted(filters, visit.now)
    counted = await actions.redrive(visit.deps, msgspec.structs.replace(form, dry_run=True))
    if not counted.matched:
        return visit.go(link("/dead", **filters), "Nothing that is dead fits this filter: nothing to send.", "warn")
    number = plural(counted.matched, "dead delivery", "dead deliveries")
    lines = [
        f"They go {described(visit.deps, filters) or 'to their endpoints'} again, with the same webhook-id and payload, on the replay lane: live deliveries go first.",
        "Those of endpoints that are disabled or deleted are left where they are.",
    ]
    return visit.page(
        "confirm.html",
        title="Re-drive dead letters",
        here="/dead",
        question=f"Send {number} again?",
        lines=lines,
        action="/dead/redrive",
        label=f"Re-drive {count(counted.matched)}",
        back=link("/dead", **filters),
        fields={**filters, "to": str(visit.now)},
        danger=False,
    )


async def _redrive(visit: Visit) -> Response:
    filters = {name: visit.form.one(name) for name in _NAMES}
    until = visit.form.one("to")
    job = await actions.redrive(visit.deps, _wanted(filters, int(until) if until.isdecimal() and len(until) < 16 else visit.now))
    return visit.go(f"/dead/redrives/{job.id}")


async def _progress(visit: Visit) -> Response:
    job = visit.deps.redrives.get(visit.path["id"])
    if job is None:
        raise NotFoundError("This re-drive is not known: they are forgotten when the console restarts. What it sent stays sent.")
    return visit.page("redrive.html", title="Re-drive", here="/dead", job=job)


async def _cancel(visit: Visit) -> Response:
    job = await actions.cancel_redrive(visit.deps, visit.path["id"])
    return visit.go(f"/dead/redrives/{job.id}", "Stopped. What was sent stays sent.", "warn")
