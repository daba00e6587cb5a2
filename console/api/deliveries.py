"""/deliveries: every delivery, its payload and its attempts."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from console import actions
from console.actions.ordered import Commanded
from console.api.bodies import time_ms
from console.api.operation import Call, Operation
from console.forms import RetryForm
from console.payloads import RecordGoneError
from console.problems import NotFoundError
from console.queries import LIMIT, DeliveryFilter, Limit
from console.rows import AttemptRow, DeliveryRow, Page
from console.sent import request_headers

if TYPE_CHECKING:
    from console.deps import Deps
    from schemas.records import Attempt

State = Literal["queued", "retrying", "delivered", "dead", "superseded"]


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries. `from` and `to` bound received_at: ms since the epoch or RFC 3339, `to` exclusive."""

    endpoint: str | None = None
    state: tuple[State, ...] = ()
    type: str | None = None
    key: str | None = None
    event: str | None = None
    tenant: str | None = None
    cause: str | None = None
    search: str | None = None  # a delivery, webhook or event id, or an object key
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    cursor: str | None = None
    limit: Limit = LIMIT


class AttemptDetail(AttemptRow, frozen=True, kw_only=True):
    """An attempt with the head of its response; the split of its time and the response are null once Kafka drops them."""

    url: str | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    response_headers: dict[str, str] | None = None
    response_head: str | None = None
    response_head_base64: str | None = None
    response_cut: bool | None = None
    batch_id: str | None = None  # the same for all deliveries of one request


class DeliveryDetail(DeliveryRow, frozen=True, kw_only=True):
    """A delivery with its payload, read from its offset; null once Kafka drops it, `payload` also when it is no UTF-8."""

    payload: str | None
    payload_base64: str | None
    request_headers: dict[str, str] | None
    attempts: list[AttemptDetail]


class RetryQueued(msgspec.Struct, frozen=True, kw_only=True):
    """What was queued: the same webhook id, the next attempt."""

    id: str
    webhook_id: str
    attempt: int


def delivery_filter(wanted: DeliveryQuery) -> DeliveryFilter:
    """The read model's filter of a query. Raises InvalidError."""
    return DeliveryFilter(
        endpoint_id=wanted.endpoint,
        states=wanted.state,
        event_type=wanted.type,
        object_key=wanted.key,
        event_id=wanted.event,
        tenant=wanted.tenant,
        cause=wanted.cause,
        search=wanted.search,
        received_from=time_ms("from", wanted.from_),
        received_to=time_ms("to", wanted.to),
    )


async def _list(deps: Deps, call: Call) -> Page[DeliveryRow]:
    wanted: DeliveryQuery = call.query
    return await asyncio.to_thread(deps.queries.deliveries, delivery_filter(wanted), cursor=wanted.cursor, limit=wanted.limit)


async def _show(deps: Deps, call: Call) -> DeliveryDetail:
    delivery_id = call.path["id"]
    row = await asyncio.to_thread(deps.queries.delivery, delivery_id)
    if row is None:
        raise NotFoundError(f"there is no delivery {delivery_id!r}")
    attempts = await asyncio.to_thread(deps.queries.attempts, delivery_id)
    records = await deps.payloads.attempts([(a.partition, a.offset) for a in attempts])
    payload, headers = None, None
    try:
        record = await deps.payloads.delivery(row.topic, row.partition, row.offset)
        payload, headers = record.payload, request_headers(record, deps.endpoints.items.get(row.endpoint_id))
    except RecordGoneError:
        pass  # shown as null: the delivery is older than its topic's retention
    return DeliveryDetail(
        **msgspec.structs.asdict(row),
        payload=None if payload is None else _text(payload),
        payload_base64=None if payload is None else base64.b64encode(payload).decode(),
        request_headers=headers,
        attempts=[_detail(a, records.get((a.partition, a.offset))) for a in attempts],
    )


def _detail(row: AttemptRow, record: Attempt | None) -> AttemptDetail:
    known = msgspec.structs.asdict(row)
    if record is None:
        return AttemptDetail(**known)
    return AttemptDetail(
        **known,
        url=record.url,
        dns_ms=record.dns_ms,
        connect_ms=record.connect_ms,
        tls_ms=record.tls_ms,
        first_byte_ms=record.first_byte_ms,
        response_headers=record.response_headers,
        response_head=_text(record.response_head),
        response_head_base64=base64.b64encode(record.response_head).decode(),
        response_cut=record.response_cut,
        batch_id=record.batch_id,
    )


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


async def _retry(deps: Deps, call: Call) -> RetryQueued:
    queued = await actions.retry(deps, call.path["id"], force=call.body.force)
    return RetryQueued(id=queued.id, webhook_id=queued.webhook_id, attempt=queued.attempt)


async def _skip(deps: Deps, call: Call) -> Commanded:
    return await actions.skip(deps, call.path["id"])


async def _park(deps: Deps, call: Call) -> Commanded:
    return await actions.park(deps, call.path["id"])


OPERATIONS: Final = (
    Operation(method="GET", path="/deliveries", name="listDeliveries", tag="deliveries",
              summary="Deliveries, newest received first.",
              run=_list, query=DeliveryQuery, answer=Page[DeliveryRow], errors=(422,)),
    Operation(method="GET", path="/deliveries/{id}", name="showDelivery", tag="deliveries",
              summary="One delivery with its payload, its request headers and its attempts.",
              run=_show, answer=DeliveryDetail, errors=(404,)),
    Operation(method="POST", path="/deliveries/{id}/retry", name="retryDelivery", tag="deliveries",
              summary="Send a dead delivery again, under the same webhook id; one that waits at an ordered endpoint at once.",
              run=_retry, body=RetryForm, answer=RetryQueued, status=202, errors=(400, 404, 409, 410, 422)),
    Operation(method="POST", path="/deliveries/{id}/skip", name="skipDelivery", tag="deliveries",
              summary="Give up a delivery that waits at an ordered endpoint (dead, cause skipped); the next of its object goes.",
              run=_skip, answer=Commanded, status=202, errors=(404, 409, 410)),
    Operation(method="POST", path="/deliveries/{id}/park", name="parkDelivery", tag="deliveries",
              summary="Keep a delivery that waits at an ordered endpoint, and all of its object behind it, until it is retried.",
              run=_park, answer=Commanded, status=202, errors=(404, 409, 410)),
)  # fmt: skip
