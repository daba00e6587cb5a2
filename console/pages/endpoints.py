"""The list of endpoints, those that need a look first, and one endpoint with its actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from console import actions
from console.actions.deliveries import filter_of
from console.actions.endpoints import found
from console.health import health as health_of
from console.pages import gate, ranges
from console.pages.charts import spark
from console.pages.condition import Condition, condition, conditions
from console.pages.endpoint_words import facts
from console.pages.format import count, plural
from console.pages.health_words import answer, breaker
from console.pages.history import history
from console.pages.overview import range_links
from console.pages.site import blocking, link
from console.queries import DeliveryFilter
from console.rows import Activity, Outcomes
from console.views import endpoint_view
from runtime.durations import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.deps import Deps
    from console.pages.charts import Spark
    from console.pages.ranges import Range
    from console.pages.site import Site, Visit

PER_PAGE: Final = 50
LATEST: Final = 10
_KIND: Final = ("active", "failing", "paused", "disabled")


class Line(msgspec.Struct, frozen=True):
    """An endpoint in the list."""

    condition: Condition
    spark: Spark
    spark_words: str
    breaker: str


def routes(site: Site) -> list[BaseRoute]:
    """`/endpoints` and `/endpoints/{id}`."""
    return [
        gate.page(site, "/endpoints", _list),
        gate.page(site, "/endpoints/{id}", _one),
        gate.post(site, "/endpoints/{id}/pause", _pause),
        gate.post(site, "/endpoints/{id}/resume", _resume),
        gate.post(site, "/endpoints/{id}/enable", _enable),
        gate.post(site, "/endpoints/{id}/disable", _disable),
        gate.post(site, "/endpoints/{id}/test", _test),
        gate.page(site, "/endpoints/{id}/delete", _ask_delete),
        gate.post(site, "/endpoints/{id}/delete", _delete),
    ]


async def _list(visit: Visit) -> Response:
    everything = await blocking(conditions, visit.deps)
    query = visit.query
    q, state = query.get("q", ""), query.get("state", "")
    matching = [c for c in everything if _matches(c, q.lower(), state)]
    at = int(query["page"]) if query.get("page", "").isdecimal() and len(query["page"]) < 6 else 1
    last = max(1, -(-len(matching) // PER_PAGE))
    at = min(max(at, 1), last)
    rows = matching[(at - 1) * PER_PAGE : at * PER_PAGE]
    return visit.page(
        "endpoints.html",
        title="Endpoints",
        here="/endpoints",
        answer=_answer(everything),
        total=len(everything),
        matching=len(matching),
        rows=[_line(c, visit.now) for c in rows],
        q=q,
        state=state,
        before=link("/endpoints", q=q, state=state, page=at - 1) if at > 1 else "",
        after=link("/endpoints", q=q, state=state, page=at + 1) if at < last else "",
    )


def _matches(c: Condition, q: str, state: str) -> bool:
    text = f"{c.config.id} {c.config.url} {c.config.description}".lower()
    return q in text and (not state or c.state == state)


def _line(c: Condition, now: int) -> Line:
    delivered, failed = sum(c.outcomes.delivered), sum(c.outcomes.failed)
    words = f"Last hour: {count(delivered)} delivered, {count(failed)} failed"
    held = breaker(c.standing.breaker, c.standing.probe_at, now) if c.standing and c.config.state == "active" else ""
    return Line(c, spark(c.outcomes.delivered, c.outcomes.failed), words, held)


def _answer(known: Sequence[Condition]) -> str:
    if not known:
        return "No endpoint is set up yet."
    failing = [c for c in known if c.state == "failing"]
    waiting = sum(c.waiting for c in known)
    waits = f"{plural(waiting, 'delivery waits', 'deliveries wait')}" if waiting else "nothing waits"
    if not failing:
        return f"None of {plural(len(known), 'endpoint')} is failing; {waits}."
    return f"{count(len(failing))} of {plural(len(known), 'endpoint')} {'is' if len(failing) == 1 else 'are'} failing; {waits}."


async def _one(visit: Visit) -> Response:
    endpoint = found(visit.deps, visit.path["id"])
    wanted = ranges.parse(visit.query, visit.now)
    context = await blocking(_context, visit.deps, endpoint.config.id, wanted)
    return visit.page("endpoint.html", title=endpoint.config.url, here="/endpoints", **context)


def _context(deps: Deps, endpoint_id: str, wanted: Range) -> dict[str, Any]:
    view = endpoint_view(found(deps, endpoint_id))
    health = health_of(deps, endpoint_id)
    none = Outcomes([], [])
    recent = deps.stats.outcomes(wanted.now - 15 * ranges.MINUTE_MS, wanted.now + 1, 300).get(endpoint_id, none)
    activity = Activity(health.last_success_at, health.last_failure_at)
    state = condition(view.state, recent, activity, deps.standings.items.get(endpoint_id), wanted.now)
    rates, latency = history(deps, wanted, endpoint_id=endpoint_id)
    schedule = view.retry_schedule or list(deps.settings.retry_schedule)
    return {
        "config": view,
        "state": state,
        "health": health,
        "answer": answer(state, health, wanted.now),
        "missed": deps.queries.count(filter_of(actions.missed(deps, endpoint_id))) if view.state == "disabled" else 0,
        "facts": facts(view),
        "range": wanted,
        "range_links": range_links(f"/endpoints/{endpoint_id}", {}, wanted),
        "rates": rates,
        "latency": latency,
        "schedule": ", ".join(show(s) for s in schedule) + ("" if view.retry_schedule else " (the hub's)"),
        "deliveries": deps.queries.deliveries(DeliveryFilter(endpoint_id=endpoint_id), limit=LATEST).data,
    }


async def _pause(visit: Visit) -> Response:
    view = await actions.pause_endpoint(visit.deps, visit.path["id"], "paused from the dashboard")
    return visit.back(_home(visit), f"{view.url} is paused: its deliveries wait.")


async def _resume(visit: Visit) -> Response:
    view = await actions.resume_endpoint(visit.deps, visit.path["id"])
    return visit.back(_home(visit), f"{view.url} is sent to again, what waited first.")


async def _enable(visit: Visit) -> Response:
    view = await actions.enable_endpoint(visit.deps, visit.path["id"], recover=visit.form.one("recover") == "yes")
    if view.redrive_id is not None:
        said = f"{view.url} is enabled: {plural(view.recovering, 'delivery', 'deliveries')} that it missed are sent now."
        return visit.go(f"/dead/redrives/{view.redrive_id}", said)
    dead = (await blocking(visit.deps.stats.totals, view.id)).dead
    recover = f" {plural(dead, 'dead delivery', 'dead deliveries')} can be re-driven." if dead else ""
    return visit.back(_home(visit), f"{view.url} is enabled.{recover}")


async def _disable(visit: Visit) -> Response:
    view = await actions.disable_endpoint(visit.deps, visit.path["id"], "disabled from the dashboard")
    return visit.back(_home(visit), f"{view.url} is disabled: what is due for it goes to the dead letters.", "warn")


async def _test(visit: Visit) -> Response:
    delivery = await actions.send_test(visit.deps, visit.path["id"])
    return visit.go(
        link("/deliveries", endpoint=delivery.endpoint_id, type=delivery.event_type),
        "A test event is queued: it appears here in a moment.",
    )


async def _ask_delete(visit: Visit) -> Response:
    config = found(visit.deps, visit.path["id"]).config
    totals = await blocking(visit.deps.stats.totals, config.id)
    waiting = totals.queued + totals.retrying
    lines = [
        f"{plural(waiting, 'delivery that waits', 'deliveries that wait')} for it will be given up."
        if waiting
        else "Nothing waits for it.",
        "Its history stays. To stop only for a while, pause it instead.",
    ]
    return visit.page(
        "confirm.html",
        title="Delete endpoint",
        here="/endpoints",
        question=f"Delete {config.url}?",
        lines=lines,
        action=f"{_home(visit)}/delete",
        label="Delete the endpoint",
        back=_home(visit),
        fields={},
        danger=True,
    )


async def _delete(visit: Visit) -> Response:
    config = found(visit.deps, visit.path["id"]).config
    await actions.delete_endpoint(visit.deps, config.id)
    return visit.go("/endpoints", f"{config.url} is deleted.")


def _home(visit: Visit) -> str:
    return f"/endpoints/{visit.path['id']}"
