"""What a person says about a delivery that waits in an order: give it up, or keep it and all behind it.

A command is a record among the deliveries that the worker of the endpoint reads in its turn.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from console.actions.deliveries import found_delivery, found_record, ordered
from console.actions.write import publish, shown
from console.problems import ConflictError
from console.queries import WAITING
from schemas import topics

if TYPE_CHECKING:
    from console.deps import Deps

FINAL: Final = {"delivered": "is delivered already", "superseded": "is superseded already", "dead": "is given up already"}
DEAD_ADVICE: Final = "retry it, or leave it where it is"


class Commanded(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker was asked. `behind`: deliveries of the same object that wait behind this one."""

    id: str
    webhook_id: str
    command: Literal["skip", "park"]
    behind: int


async def skip(deps: Deps, delivery_id: str) -> Commanded:
    """Give a delivery up that waits at an ordered endpoint; the next of its object goes.

    Raises NotFoundError, ConflictError, GoneError, UnavailableError.
    """
    return await _command(deps, delivery_id, "skip")


async def park(deps: Deps, delivery_id: str) -> Commanded:
    """Keep a delivery and all of its object behind it until it is retried or skipped. Raises like `skip`."""
    return await _command(deps, delivery_id, "park")


async def _command(deps: Deps, delivery_id: str, command: Literal["skip", "park"]) -> Commanded:
    row = await found_delivery(deps, delivery_id)
    if row.state not in WAITING:
        advice = f": {DEAD_ADVICE}" if row.state == "dead" else ""
        raise ConflictError(f"delivery {delivery_id!r} {FINAL[row.state]}: there is nothing to {command}{advice}")
    if row.endpoint_id not in deps.endpoints.items:
        raise ConflictError(f"its endpoint {row.endpoint_id!r} is deleted: what waits for it is given up anyway")
    if not ordered(deps, row.endpoint_id):
        raise ConflictError(
            f"its endpoint {row.endpoint_id!r} keeps no order (ordering: none): nothing waits behind this delivery, "
            f"so there is nothing to {command}; set ordering to key or latest, or pause the endpoint"
        )
    record = await found_record(deps, row)
    behind = await asyncio.to_thread(deps.queries.behind, row)
    asked = msgspec.structs.replace(record, attempt=row.spent + 1, not_before=0, command=command, cause=None)
    await shown(deps, topics.DELIVERIES, await publish(deps, topics.DELIVERIES, asked))
    return Commanded(id=row.id, webhook_id=row.webhook_id, command=command, behind=behind)
