"""What did not become a delivery, each with its reason: unrouted, quarantined, rejected; and raw webhooks from Kafka."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from console.pages import gate, ranges
from console.pages.deliveries import kept, urls
from console.pages.format import plural, pretty, text
from console.pages.overview import range_links
from console.pages.site import blocking, link
from console.payloads import RecordGoneError, RecordUnavailableError
from console.problems import GoneError, NotFoundError, UnavailableError
from console.queries import AsideFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.deps import Deps
    from console.pages.site import Site, Visit
    from console.rows import RejectedRow
    from schemas.records import WebhookReceived, WebhookRejected

PER_PAGE: Final = 50
BODY_SHOWN: Final = 48 * 1024


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One of the three lists."""

    name: str
    title: str
    one: str  # of the first line, with its verb
    many: str
    empty: str
    reasons: dict[str, str]  # known reasons, with what to do about them


KINDS: Final = (
    Kind(
        name="unrouted",
        title="Unrouted",
        one="event reached no endpoint",
        many="events reached no endpoint",
        empty="Every event that arrived found an endpoint that wanted it.",
        reasons={
            "unmapped": "The hub has no mapping for this topic of the provider: nothing is lost, but nothing is sent.",
            "no_endpoint": "There is no endpoint in this tenant: create one.",
            "no_match": "No endpoint asked for this type or channel: edit one, or leave it.",
        },
    ),
    Kind(
        name="quarantined",
        title="Quarantined",
        one="webhook could not be read as an event",
        many="webhooks could not be read as events",
        empty="Every webhook that was accepted could be read.",
        reasons={
            "undecodable": "The record in Kafka is not what its topic promises: something else writes to it.",
            "bad_json": "The provider sent a body that is no JSON.",
            "mapping_failed": "The body lacks something the mapping needs; the detail names it.",
            "invalid_event": "The mapping made an event that does not fit its schema; the detail names the field.",
        },
    ),
    Kind(
        name="rejected",
        title="Rejected",
        one="request was refused at the door",
        many="requests were refused at the door",
        empty="No request was refused.",
        reasons={},
    ),
)


def routes(site: Site) -> list[BaseRoute]:
    """`/unrouted`, `/quarantined`, `/rejected`, one rejected request, one raw webhook."""
    return [
        *(gate.page(site, f"/{kind.name}", partial(_list, kind)) for kind in KINDS),
        gate.page(site, "/rejected/{id}", _rejected),
        gate.page(site, "/raw/{partition:int}/{offset:int}", _raw),
    ]


async def _list(kind: Kind, visit: Visit) -> Response:
    context = await blocking(_context, visit.deps, kind, visit.query, visit.now)
    return visit.page("aside.html", title=kind.title, here=f"/{kind.name}", kind=kind, **context)


def _context(deps: Deps, kind: Kind, query: Mapping[str, str], now: int) -> dict[str, Any]:
    asked = query if query.get("range") or query.get("from") or query.get("to") else {**query, "range": "24h"}
    wanted = ranges.parse(asked, now)
    filters = kept(query, "source", "reason")
    only = AsideFilter(
        source=query.get("source") or None,
        reason=query.get("reason") or None,
        received_from=wanted.since,
        received_to=None if wanted.name in ranges.RANGES else wanted.until,
    )
    page = getattr(deps.queries, kind.name)(only, cursor=query.get("cursor") or None, limit=PER_PAGE)
    time = kept(query, "range", "from", "to")
    path = f"/{kind.name}"
    return {
        "answer": _answer(deps, kind, wanted, bool(filters), len(page.data)),
        "errors": [wanted.error] if wanted.error else [],
        "range": wanted,
        "range_links": range_links(path, filters, wanted),
        "rows": page.data,
        "urls": urls(deps),
        "sources": sorted({*deps.sources.items, *kept(query, "source").values()}),
        "filtered": bool(filters),
        "first": link(path, **filters, **time) if query.get("cursor") else "",
        "next": link(path, **filters, **time, cursor=page.next_cursor) if page.next_cursor else "",
        "v": {name: query.get(name, "") for name in ("source", "reason", "from", "to")},
    }


def _answer(deps: Deps, kind: Kind, wanted: ranges.Range, filtered: bool, shown: int) -> str:  # noqa: FBT001 - one of five facts
    if filtered:
        return f"{plural(shown, kind.one, kind.many)} in {wanted.words}, as filtered, on this page."
    buckets = deps.stats.stats(wanted.since, wanted.until, wanted.bucket_ms // 1000)
    number = sum(getattr(b, kind.name) for b in buckets)
    return f"{plural(number, kind.one, kind.many)} in {wanted.words}."


async def _rejected(visit: Visit) -> Response:
    row = await blocking(visit.deps.queries.rejected_one, visit.path["id"])
    if row is None:
        raise NotFoundError("There is no such rejected request: it is older than 7 days, or not projected yet.")
    try:
        record: WebhookRejected | None = await visit.deps.payloads.rejected(row.partition, row.offset)
        gone = ""
    except (RecordGoneError, RecordUnavailableError) as e:
        record, gone = None, f"{e}."
    return _request_page(visit, row, record, gone)


def _request_page(visit: Visit, row: RejectedRow, record: WebhookRejected | None, gone: str) -> Response:
    return visit.page(
        "request.html",
        title=f"Rejected: {row.reason.replace('_', ' ')}",
        here="/rejected",
        back="/rejected",
        answer=row.detail,
        facts=[
            ("Source", row.source),
            ("Provider", row.provider or "unknown source"),
            ("From", row.remote),
            ("Size", f"{row.size:,} bytes"),
        ],
        at=row.received_at,
        gone=gone,
        headers=sorted(record.headers.items()) if record else [],
        **_body(record.body if record else None, visit.query.get("view", "")),
    )


async def _raw(visit: Visit) -> Response:
    partition, offset = int(visit.path["partition"]), int(visit.path["offset"])
    try:
        record: WebhookReceived = await visit.deps.payloads.received(partition, offset)
    except RecordGoneError as e:
        raise GoneError(f"{e}.") from e
    except RecordUnavailableError as e:
        raise UnavailableError(f"{e}.") from e
    return visit.page(
        "request.html",
        title=f"{record.topic or 'Webhook'} as it came in",
        here="",
        back="/quarantined",
        answer=f"From {record.source} ({record.provider}), verified by {record.verified_by}.",
        facts=[
            ("Source", record.source),
            ("Provider", record.provider),
            ("Provider's id", record.provider_id or "none"),
            ("Object", record.object_id or "none"),
            ("Size", f"{len(record.body):,} bytes"),
            ("In Kafka", f"webhooks.received, partition {partition}, offset {offset}"),
        ],
        at=record.received_at,
        gone="",
        headers=sorted(record.headers.items()),
        **_body(record.body, visit.query.get("view", "")),
    )


def _body(body: bytes | None, view: str) -> dict[str, Any]:
    if body is None:
        return {"body": None, "view": "", "note": ""}
    note = f"The first {BODY_SHOWN // 1024} KiB of {len(body):,} bytes." if len(body) > BODY_SHOWN else ""
    nice = None if view == "raw" else pretty(body[:BODY_SHOWN])
    return {"body": nice or text(body[:BODY_SHOWN]), "view": "raw" if view == "raw" else "pretty", "note": note}
