"""Deliveries sent again: one by a person, or all dead ones that match a filter. Same webhook id, same payload."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING, Final

import msgspec

from console.actions.secrets import new_id
from console.actions.write import publish, shown
from console.payloads import RecordGoneError, RecordUnavailableError
from console.problems import ConflictError, GoneError, InvalidError, NotFoundError, UnavailableError
from console.queries import DeliveryFilter
from console.redrives import Redrive
from schemas import topics
from schemas.records import Delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.deps import Deps
    from console.forms import RedriveForm
    from console.rows import DeliveryRow
    from runtime.publisher import Ack

CATCH_UP_S: Final = 30.0
PAGE: Final = 200  # deliveries of a re-drive held in memory at once
WHERE: Final = {"queued": "is waiting for its first attempt", "retrying": "is being retried", "delivered": "is delivered"}


async def retry(deps: Deps, delivery_id: str, *, force: bool = False) -> Delivery:
    """Send a dead delivery again, now, its schedule started anew. Answers the record that was queued.

    `force` also one that is delivered or under way. Raises NotFoundError, ConflictError, GoneError, UnavailableError.
    """
    row = await asyncio.to_thread(deps.queries.delivery, delivery_id)
    if row is None:
        raise NotFoundError(f"there is no delivery {delivery_id!r}")
    if row.state != "dead" and not force:
        raise ConflictError(f'delivery {delivery_id!r} {WHERE[row.state]}: send {{"force": true}} to send it once more')
    refusal = _refusal(deps, row.endpoint_id)
    if refusal is not None:
        raise ConflictError(refusal)
    try:
        record = await deps.payloads.delivery(row.topic, row.partition, row.offset)
    except RecordGoneError as e:
        raise GoneError(str(e)) from e
    except RecordUnavailableError as e:
        raise UnavailableError(str(e)) from e
    again = _again(record, row)
    await shown(deps, topics.DELIVERIES, await publish(deps, topics.DELIVERIES, again))
    return again


async def redrive(deps: Deps, form: RedriveForm) -> Redrive:
    """Send all dead deliveries that match again, on the replay lane. Answers at once; `deps.redrives` tells how far it is.

    With `dry_run` it only counts. Raises InvalidError, ConflictError while another one runs.
    """
    if form.from_ is not None and form.to is not None and form.from_ >= form.to:
        raise InvalidError([("from", "must be before to")])
    now = deps.clock.now_ms()
    wanted = DeliveryFilter(
        endpoint_id=form.endpoint_id,
        states=("dead",),
        event_type=form.event_type,
        object_key=form.object_key,
        tenant=form.tenant,
        cause=form.cause,
        received_from=form.from_,
        received_to=form.to,
        changed_to=now + 1,  # one that dies again while this runs is not sent a third time
    )
    matched = await asyncio.to_thread(deps.queries.count, wanted)
    job = Redrive(id=new_id("rdv"), wanted=form, state="counted" if form.dry_run else "running", matched=matched, started_at=now)
    if not form.dry_run:
        running = deps.redrives.running()
        if running is not None:  # two at once could send the same delivery twice
            raise ConflictError(f"re-drive {running.id!r} is running: wait for its end, or cancel it")
        deps.redrives.start(job, _redrive(deps, job, wanted), deps.clock.now_ms)
    return job


async def cancel_redrive(deps: Deps, job_id: str) -> Redrive:
    """Stop a re-drive; what it sent stays sent. Raises NotFoundError."""
    job = deps.redrives.get(job_id)
    if job is None:
        raise NotFoundError(f"there is no re-drive {job_id!r}: they are forgotten when the console restarts")
    deps.redrives.cancel(job_id)
    return job


async def _redrive(deps: Deps, job: Redrive, wanted: DeliveryFilter) -> None:
    cursor: str | None = None
    last: dict[int, Ack] = {}
    while True:
        page = await asyncio.to_thread(deps.queries.deliveries, wanted, cursor=cursor, limit=PAGE)
        rows = [row for row in page.data if _refusal(deps, row.endpoint_id) is None]
        job.skipped += len(page.data) - len(rows)
        rows.sort(key=_place)
        for (topic, partition), group in groupby(rows, key=lambda row: (row.topic, row.partition)):
            last |= await _resend(deps, job, topic, partition, list(group))
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    for ack in last.values():  # until then it would be dead still, and a second re-drive would send it again
        await shown(deps, topics.REPLAY, ack, patience_s=CATCH_UP_S)


async def _resend(deps: Deps, job: Redrive, topic: str, partition: int, rows: Sequence[DeliveryRow]) -> dict[int, Ack]:
    """Queue again what lies in one partition; `rows` ascend by offset. Answers the last record of each partition."""
    records = await deps.payloads.run(topic, partition, [row.offset for row in rows], Delivery)
    job.gone += sum(row.offset not in records for row in rows)
    again = [
        msgspec.structs.replace(_again(records[row.offset], row), lane="replay", replay_id=job.id)
        for row in rows
        if row.offset in records
    ]
    acks = await asyncio.gather(*(publish(deps, topics.REPLAY, delivery) for delivery in again))
    job.sent += len(again)
    return {ack.partition: ack for ack in sorted(acks, key=lambda ack: ack.offset)}


def _place(row: DeliveryRow) -> tuple[str, int, int]:
    return row.topic, row.partition, row.offset


def _again(record: Delivery, row: DeliveryRow) -> Delivery:
    """The delivery from its start, but for the number of its attempts, which goes on."""
    return msgspec.structs.replace(record, attempt=row.spent + 1, step=0, not_before=0, cause=None, lane="live", replay_id=None)


def _refusal(deps: Deps, endpoint_id: str) -> str | None:
    endpoint = deps.endpoints.items.get(endpoint_id)
    if endpoint is None:
        return f"its endpoint {endpoint_id!r} is deleted: there is nowhere to send it"
    if endpoint.config.state == "disabled":
        return f"its endpoint {endpoint_id!r} is disabled: enable it first"
    return None
