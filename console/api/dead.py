"""/dead and /redrives: what was given up, and sending it again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from console import actions
from console.api.bodies import time_ms
from console.api.operation import Call, Operation
from console.forms import RedriveForm
from console.problems import NotFoundError
from console.queries import LIMIT, DeliveryFilter, Limit
from console.redrives import Redrive
from console.rows import DeliveryRow, Page

if TYPE_CHECKING:
    from console.deps import Deps


class DeadQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead deliveries. `from` and `to` bound received_at: ms since the epoch or RFC 3339, `to` exclusive."""

    endpoint: str | None = None
    type: str | None = None
    key: str | None = None
    tenant: str | None = None
    cause: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    cursor: str | None = None
    limit: Limit = LIMIT


async def _list(deps: Deps, call: Call) -> Page[DeliveryRow]:
    wanted: DeadQuery = call.query
    only = DeliveryFilter(
        endpoint_id=wanted.endpoint,
        event_type=wanted.type,
        object_key=wanted.key,
        tenant=wanted.tenant,
        cause=wanted.cause,
        received_from=time_ms("from", wanted.from_),
        received_to=time_ms("to", wanted.to),
    )
    return await asyncio.to_thread(deps.queries.dead, only, cursor=wanted.cursor, limit=wanted.limit)


async def _redrive(deps: Deps, call: Call) -> Redrive:
    return await actions.redrive(deps, call.body)


async def _redrives(deps: Deps, _: Call) -> Page[Redrive]:
    return Page(deps.redrives.list())


async def _show(deps: Deps, call: Call) -> Redrive:
    job = deps.redrives.get(call.path["id"])
    if job is None:
        raise NotFoundError(f"there is no re-drive {call.path['id']!r}: they are forgotten when the console restarts")
    return job


async def _cancel(deps: Deps, call: Call) -> Redrive:
    return await actions.cancel_redrive(deps, call.path["id"])


OPERATIONS: Final = (
    Operation(method="GET", path="/dead", name="listDead", tag="dead", summary="Deliveries that were given up.",
              run=_list, query=DeadQuery, answer=Page[DeliveryRow], errors=(422,)),
    Operation(method="POST", path="/dead/redrive", name="redriveDead", tag="dead",
              summary="Send all dead deliveries that match again, on the replay lane; with dry_run only count them.",
              run=_redrive, body=RedriveForm, answer=Redrive, status=202, errors=(400, 409, 422)),
    Operation(method="GET", path="/redrives", name="listRedrives", tag="dead", summary="Re-drives of this console.",
              run=_redrives, answer=Page[Redrive]),
    Operation(method="GET", path="/redrives/{id}", name="showRedrive", tag="dead", summary="How far a re-drive is.",
              run=_show, answer=Redrive, errors=(404,)),
    Operation(method="POST", path="/redrives/{id}/cancel", name="cancelRedrive", tag="dead",
              summary="Stop a re-drive; what it sent stays sent.", run=_cancel, answer=Redrive, errors=(404,)),
)  # fmt: skip
