"""One delivery: every attempt with its reason in words, the payload as it was sent, and Retry beside it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

import msgspec

from console import actions
from console.actions.deliveries import ordered
from console.pages import gate
from console.pages.charts import Phase, phases
from console.pages.deliveries import urls
from console.pages.explain import Explanation, explain
from console.pages.format import clock, duration, plural, pretty, relative, span, text
from console.pages.site import blocking
from console.pages.words import cause
from console.payloads import RecordGoneError, RecordUnavailableError
from console.problems import NotFoundError
from console.queries import WAITING, DeliveryFilter

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.pages.site import Site, Visit
    from console.rows import AttemptRow, DeliveryRow
    from schemas.records import Attempt, Delivery

ATTEMPTS_SHOWN: Final = 30
OTHERS_SHOWN: Final = 20
PAYLOAD_SHOWN: Final = 48 * 1024
BODY_SHOWN: Final = 2048  # of a response but the newest
BODY_NEWEST: Final = 8 * 1024
VIEWS: Final = ("pretty", "raw", "curl")
_ASK: Final = {
    "queued": "it is waiting for its first attempt. Queue it once more all the same?",
    "retrying": "a retry is planned already. Send it now as well?",
    "delivered": "it was delivered. Send it again, with the same webhook-id?",
    "dead": "send it again now, with its retry schedule started anew?",
    "superseded": "a newer event of the object took its place. Send this old one all the same?",
}

_NOW: Final = "try it now, before its time?"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as the page shows it. Without its record in Kafka there is no response and no split."""

    row: AttemptRow
    why: Explanation | None
    phases: list[Phase]
    headers: list[tuple[str, str]]
    response: str | None
    response_size: int
    cut: bool
    batch_id: str | None = None


class InOrder(msgspec.Struct, frozen=True):
    """What one may do with a delivery that waits at an ordered endpoint, and what becomes of those behind it."""

    words: str
    skip: str  # what is asked before it
    park: str


def routes(site: Site) -> list[BaseRoute]:
    """`/deliveries/{id}` and its retry."""
    return [
        gate.page(site, "/deliveries/{id}", _one),
        gate.post(site, "/deliveries/{id}/retry", _retry),
        gate.post(site, "/deliveries/{id}/skip", _skip),
        gate.post(site, "/deliveries/{id}/park", _park),
    ]


async def _one(visit: Visit) -> Response:
    deps, queries = visit.deps, visit.deps.queries
    row = await blocking(queries.delivery, visit.path["id"])
    if row is None:
        raise NotFoundError(f"There is no delivery {visit.path['id'][:100]!r}: it is older than its topic, or not projected yet.")
    attempts = [a for a in reversed(await blocking(queries.attempts, row.id)) if a.state != "superseded" or a.error_class]
    same = await blocking(queries.deliveries, DeliveryFilter(event_id=row.event_id), limit=OTHERS_SHOWN)
    record, gone = await _record(visit, row)
    held = row.state in WAITING and ordered(deps, row.endpoint_id)
    waiting = in_order(row, await blocking(queries.behind, row)) if held else None
    view = visit.query.get("view", VIEWS[0])
    endpoint = deps.endpoints.items.get(row.endpoint_id)
    url = endpoint.config.url if endpoint else f"{row.endpoint_id} (deleted)"
    return visit.page(
        "delivery.html",
        title=row.event_type,
        here="/deliveries",
        d=row,
        url=url,
        urls=urls(deps),
        answer=answer(row, attempts, visit.now),
        ask=f"{row.event_type} for {row.object_key}: {_NOW if waiting else _ASK[row.state]}" if row.state in _ASK else "",
        total=len(attempts),
        attempts=await _shown(visit, attempts[:ATTEMPTS_SHOWN]),
        others=[o for o in same.data if o.id != row.id],
        in_order=waiting,
        endpoint_state=endpoint.config.state if endpoint else "deleted",
        view=view if view in VIEWS else VIEWS[0],
        payload_gone=gone,
        **_payload(record, view, url),
    )


async def _retry(visit: Visit) -> Response:
    here = f"/deliveries/{visit.path['id']}"
    row = await blocking(visit.deps.queries.delivery, visit.path["id"])
    force = visit.form.one("force") == "yes"
    if row is not None and row.state != "dead" and not force:
        return visit.go(here, "It is not dead any more, so nothing was sent.", "warn")
    await actions.retry(visit.deps, visit.path["id"], force=force)
    return visit.go(here, "Queued again: its next attempt appears below in a moment.")


async def _skip(visit: Visit) -> Response:
    asked = await actions.skip(visit.deps, visit.path["id"])
    return visit.go(_here(visit), f"It will be given up in a moment{_then(asked.behind, 'go on')}.")


async def _park(visit: Visit) -> Response:
    asked = await actions.park(visit.deps, visit.path["id"])
    return visit.go(_here(visit), f"It is kept until you retry or skip it{_then(asked.behind, 'wait with it')}.", "warn")


def _here(visit: Visit) -> str:
    return f"/deliveries/{visit.path['id']}"


def _then(behind: int, what: str) -> str:
    return f"; {plural(behind, 'delivery', 'deliveries')} behind it {what}" if behind else ""


def in_order(row: DeliveryRow, behind: int) -> InOrder:
    """Words for the two ways on. Pure."""
    followers = plural(behind, "delivery", "deliveries") if behind else "nothing"
    waits = "waits" if behind < 2 else "wait"
    next_one = "the next of them goes at once" if behind > 1 else "it goes at once" if behind else "the next one goes at once"
    stay = f"; {'they stay' if behind > 1 else 'it stays'} in order behind it" if behind else ""
    return InOrder(
        words=f"This endpoint takes the events of {row.object_key} in order: {followers} {waits} behind this one.",
        skip=f"Give it up? It becomes a dead letter (skipped) and {next_one}.",
        park=f"Keep it until you retry or skip it? No attempt is made{stay}; other objects are not held up.",
    )


async def _record(visit: Visit, row: DeliveryRow) -> tuple[Delivery | None, str]:
    try:
        return await visit.deps.payloads.delivery(row.topic, row.partition, row.offset), ""
    except (RecordGoneError, RecordUnavailableError) as e:
        return None, f"{e}."


async def _shown(visit: Visit, rows: list[AttemptRow]) -> list[Shown]:
    try:
        records = await visit.deps.payloads.attempts([(r.partition, r.offset) for r in rows])
    except RecordUnavailableError:
        records = {}  # the rows alone still tell what happened
    return [shown(row, records.get((row.partition, row.offset)), newest=i == 0) for i, row in enumerate(rows)]


def shown(row: AttemptRow, record: Attempt | None, *, newest: bool) -> Shown:
    """An attempt for the page. Pure."""
    if record is None:
        return Shown(row=row, why=explain(row), phases=[], headers=[], response=None, response_size=0, cut=False)
    most = BODY_NEWEST if newest else BODY_SHOWN
    head = record.response_head
    body = pretty(head) if len(head) <= most and not record.response_cut else None
    return Shown(
        row=row,
        why=explain(record),
        phases=phases(record.dns_ms, record.connect_ms, record.tls_ms, record.first_byte_ms, record.total_ms),
        headers=[(name[:100], value[:300]) for name, value in sorted(record.response_headers.items())[:40]],
        response=None if record.status is None and not head else body or text(head[:most]),
        response_size=len(head),
        cut=record.response_cut or len(head) > most,
        batch_id=record.batch_id,
    )


def answer(row: DeliveryRow, attempts: list[AttemptRow], now: int) -> str:
    """The first line, in words. Pure."""
    tried = f"after {plural(row.spent, 'attempt')}"
    over = f" over {span((attempts[0].started_at - attempts[-1].started_at) / 1000)}" if len(attempts) > 1 else ""
    last = f": {row.last_error}" if row.last_error else ""
    match row.state:
        case "delivered":
            took = (row.last_attempt_at or row.changed_at) + (attempts[0].total_ms if attempts else 0) - row.received_at
            return f"Delivered {tried}, {duration(max(0, took))} after it was received."
        case "retrying":
            when = row.next_attempt_at
            due = (
                ""
                if when is None
                else f"; next try {clock(when, now)} UTC, {relative(when, now)}"
                if when > now
                else "; the next try is due"
            )
            return f"Failing {tried}{over}{last}{due}."
        case "dead":
            return f"Given up {tried}{over}{last}. {cause(row.cause)}"
        case "superseded":
            first = f" {tried}" if row.spent else ""
            return f"Not sent{first}: this endpoint wants only the newest of each object, and a newer event of {row.object_key} came."
        case "queued":
            return f"Waiting for its next attempt since {clock(row.changed_at, now)} UTC, {relative(row.changed_at, now)}."
    return ""


def _payload(record: Delivery | None, view: str, url: str) -> dict[str, Any]:
    if record is None:
        return {"payload": None, "payload_note": ""}
    body, note = record.payload, ""
    if len(body) > PAYLOAD_SHOWN:
        note = f"The first {PAYLOAD_SHOWN // 1024} KiB of {len(body) // 1024} KiB. The API has all of it."
        body = body[:PAYLOAD_SHOWN]
    if view == "curl":
        return {"payload": curl(record, url, body), "payload_note": note or "Unsigned: the secret never leaves the hub."}
    shown_as = None if view == "raw" else pretty(body)
    if shown_as is not None and len(shown_as) > 2 * PAYLOAD_SHOWN:
        shown_as = None  # deeply nested JSON grows when it is indented
    return {"payload": shown_as or text(body), "payload_note": note}


def curl(record: Delivery, url: str, body: bytes) -> str:
    """The request as a curl command, without its signature."""
    headers = (
        "content-type: application/json",
        f"webhook-id: {record.webhook_id}",
        f"x-hookstream-event: {record.event_type}",
        f"x-hookstream-delivery: {record.id}",
    )
    lines = [
        f"curl -i -X POST {shlex.quote(url)}",
        *(f"-H {shlex.quote(h)}" for h in headers),
        f"--data-binary {shlex.quote(text(body))}",
    ]
    return " \\\n  ".join(lines)
