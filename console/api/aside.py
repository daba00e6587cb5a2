"""/unrouted, /quarantined, /rejected: what came in and did not become a delivery, and why."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Final

import msgspec

from console.api.bodies import time_ms
from console.api.operation import Call, Operation
from console.problems import NotFoundError
from console.queries import LIMIT, AsideFilter, Limit
from console.rows import Page, QuarantinedRow, RejectedRow, UnroutedRow

if TYPE_CHECKING:
    from console.deps import Deps


class AsideQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which ones; `reason` is the cause of quarantined ones. `from` and `to` as for deliveries."""

    tenant: str | None = None
    source: str | None = None
    reason: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    cursor: str | None = None
    limit: Limit = LIMIT


class RejectedDetail(RejectedRow, frozen=True, kw_only=True):
    """A refused request as it came. It is not verified: treat it as text from a stranger."""

    headers: dict[str, str]
    body_base64: str


def _filter(wanted: AsideQuery) -> AsideFilter:
    return AsideFilter(
        tenant=wanted.tenant,
        source=wanted.source,
        reason=wanted.reason,
        received_from=time_ms("from", wanted.from_),
        received_to=time_ms("to", wanted.to),
    )


async def _unrouted(deps: Deps, call: Call) -> Page[UnroutedRow]:
    return await asyncio.to_thread(deps.queries.unrouted, _filter(call.query), cursor=call.query.cursor, limit=call.query.limit)


async def _quarantined(deps: Deps, call: Call) -> Page[QuarantinedRow]:
    return await asyncio.to_thread(
        deps.queries.quarantined, _filter(call.query), cursor=call.query.cursor, limit=call.query.limit
    )


async def _rejected(deps: Deps, call: Call) -> Page[RejectedRow]:
    return await asyncio.to_thread(deps.queries.rejected, _filter(call.query), cursor=call.query.cursor, limit=call.query.limit)


async def _rejected_one(deps: Deps, call: Call) -> RejectedDetail:
    row = await asyncio.to_thread(deps.queries.rejected_one, call.path["id"])
    if row is None:
        raise NotFoundError(f"there is no refused request {call.path['id']!r}")
    record = await deps.payloads.rejected(row.partition, row.offset)
    body = base64.b64encode(record.body).decode()
    return RejectedDetail(**msgspec.structs.asdict(row), headers=record.headers, body_base64=body)


OPERATIONS: Final = (
    Operation(method="GET", path="/unrouted", name="listUnrouted", tag="aside",
              summary="Authentic events that reached no endpoint, and why.",
              run=_unrouted, query=AsideQuery, answer=Page[UnroutedRow], errors=(422,)),
    Operation(method="GET", path="/quarantined", name="listQuarantined", tag="aside",
              summary="Authentic webhooks that could not be turned into events, and why.",
              run=_quarantined, query=AsideQuery, answer=Page[QuarantinedRow], errors=(422,)),
    Operation(method="GET", path="/rejected", name="listRejected", tag="aside",
              summary="Requests that no source vouched for, and why.",
              run=_rejected, query=AsideQuery, answer=Page[RejectedRow], errors=(422,)),
    Operation(method="GET", path="/rejected/{id}", name="showRejected", tag="aside",
              summary="One refused request with its headers and the head of its body.",
              run=_rejected_one, answer=RejectedDetail, errors=(404, 410)),
)  # fmt: skip
