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
from console.queries import WAITING, DeliveryFilter
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
LATE_S: Final = 3.0
PAGE: Final = 200  # deliveries of a re-drive held in memory at once
WHERE: Final = {
    "queued": "is waiting for its first attempt",
    "retrying": "is being retried",
    "delivered": "is delivered",
    "superseded": "is superseded by a newer event of its object",
}


async def retry(deps: Deps, delivery_id: str, *, force: bool = False) -> Delivery:
    """Send a dead delivery again, now, its schedule started anew. Answers the record that was queued.

    One that waits at an ordered endpoint is tried at once. `force` also one that is delivered or under way. Raises
    NotFoundError, ConflictError, GoneError, UnavailableError.
    """
    row = await found_delivery(deps, delivery_id)
    refusal = _refusal(deps, row.endpoint_id)
    waits_in_order = row.state in WAITING and ordered(deps, row.endpoint_id)
    if row.state != "dead" and not force and not waits_in_order:
        raise ConflictError(f'delivery {delivery_id!r} {WHERE[row.state]}: send {{"force": true}} to send it once more')
    if refusal is not None:
        raise ConflictError(refusal)
    again = _again(await found_record(deps, row), row)
    await shown(deps, topics.DELIVERIES, await publish(deps, topics.DELIVERIES, again))
    return again


async def found_delivery(deps: Deps, delivery_id: str) -> DeliveryRow:
    """A delivery of the read model. Raises NotFoundError."""
    row = await asyncio.to_thread(deps.queries.delivery, delivery_id)
    if row is None:
        raise NotFoundError(f"there is no delivery {delivery_id!r}")
    return row


async def found_record(deps: Deps, row: DeliveryRow) -> Delivery:
    """Its newest record in Kafka. Raises GoneError, UnavailableError."""
    try:
        return await deps.payloads.delivery(row.topic, row.partition, row.offset)
    except RecordGoneError as e:
        raise GoneError(str(e)) from e
    except RecordUnavailableError as e:
        raise UnavailableError(str(e)) from e


def ordered(deps: Deps, endpoint_id: str) -> bool:
    """Whether deliveries of one object wait for each other there."""
    endpoint = deps.endpoints.items.get(endpoint_id)
    return endpoint is not None and endpoint.config.ordering != "none"


async def redrive(deps: Deps, form: RedriveForm, *, late: tuple[str, ...] = ()) -> Redrive:
    """Send all dead deliveries that match again, on the replay lane. Answers at once; `deps.redrives` tells how far it is.

    With `dry_run` it only counts. `late`: causes of which a few more may die just now; they are sent too. Raises InvalidError, ConflictError while one runs that could send the same.
    """
    if form.from_ is not None and form.to is not None and form.from_ >= form.to:
        raise InvalidError([("from", "must be before to")])
    now = deps.clock.now_ms()
    # What dies again while this runs is not sent a third time.
    wanted = msgspec.structs.replace(filter_of(form), changed_to=now + 1)
    matched = await asyncio.to_thread(deps.queries.count, wanted)
    job = Redrive(id=new_id("rdv"), wanted=form, state="counted" if form.dry_run else "running", matched=matched, started_at=now)
    if not form.dry_run:
        refuse_overlap(deps, form)
        deps.redrives.start(job, _redrive(deps, job, wanted, late), deps.clock.now_ms)
    return job


def filter_of(form: RedriveForm) -> DeliveryFilter:
    """The dead deliveries that a re-drive is about."""
    return DeliveryFilter(
        endpoint_id=form.endpoint_id,
        states=("dead",),
        event_type=form.event_type,
        object_key=form.object_key,
        tenant=form.tenant,
        cause=form.cause,
        causes=tuple(form.causes),
        changed_from=form.died_from,
        received_from=form.from_,
        received_to=form.to,
    )


def refuse_overlap(deps: Deps, form: RedriveForm) -> None:
    """Two re-drives at once could send the same delivery twice. Raises ConflictError."""
    running = deps.redrives.running(form.endpoint_id)
    if running is not None:
        raise ConflictError(f"re-drive {running.id!r} is running: wait for its end, or cancel it")


async def cancel_redrive(deps: Deps, job_id: str) -> Redrive:
    """Stop a re-drive; what it sent stays sent. Raises NotFoundError."""
    job = deps.redrives.get(job_id)
    if job is None:
        raise NotFoundError(f"there is no re-drive {job_id!r}: they are forgotten when the console restarts")
    deps.redrives.cancel(job_id)
    return job


async def _redrive(deps: Deps, job: Redrive, wanted: DeliveryFilter, late: tuple[str, ...]) -> None:
    await _pass(deps, job, wanted)
    if late:
        # What the worker gave up before it saw the change that led here: not even in the read model a moment ago.
        await asyncio.sleep(LATE_S)
        wanted = msgspec.structs.replace(wanted, causes=late, changed_to=deps.clock.now_ms() + 1)
        job.matched += await asyncio.to_thread(deps.queries.count, wanted)
        await _pass(deps, job, wanted)


async def _pass(deps: Deps, job: Redrive, wanted: DeliveryFilter) -> None:
    cursor: str | None = None
    last: dict[int, Ack] = {}
    while True:
        # Oldest first: an ordered endpoint gets its events in the order they were made in.
        page = await asyncio.to_thread(deps.queries.deliveries, wanted, cursor=cursor, limit=PAGE, oldest_first=True)
        rows = [row for row in page.data if _refusal(deps, row.endpoint_id) is None]
        job.skipped += len(page.data) - len(rows)
        last |= await _resend(deps, job, rows)
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    for ack in last.values():  # until then it would be dead still, and a second re-drive would send it again
        await shown(deps, topics.REPLAY, ack, patience_s=CATCH_UP_S)


async def _resend(deps: Deps, job: Redrive, rows: Sequence[DeliveryRow]) -> dict[int, Ack]:
    """Queue again, in the order of `rows`. Answers the last record of each partition."""
    records: dict[str, Delivery] = {}
    for (topic, partition), group in groupby(sorted(rows, key=_place), key=lambda row: (row.topic, row.partition)):
        by_offset = {row.offset: row.id for row in group}
        found = await deps.payloads.run(topic, partition, list(by_offset), Delivery)
        records |= {by_offset[offset]: record for offset, record in found.items()}
    again = [
        msgspec.structs.replace(_again(records[row.id], row), lane="replay", replay_id=job.id)
        for row in rows
        if row.id in records
    ]
    job.gone += len(rows) - len(again)
    acks = await asyncio.gather(*(publish(deps, topics.REPLAY, delivery) for delivery in again))
    job.sent += len(again)
    return {ack.partition: ack for ack in sorted(acks, key=lambda ack: ack.offset)}


def _place(row: DeliveryRow) -> tuple[str, int, int]:
    return row.topic, row.partition, row.offset


def _again(record: Delivery, row: DeliveryRow) -> Delivery:
    """The delivery from its start, but for the number of its attempts, which goes on."""
    return msgspec.structs.replace(
        record, attempt=row.spent + 1, step=0, not_before=0, cause=None, lane="live", replay_id=None, command=None
    )


def _refusal(deps: Deps, endpoint_id: str) -> str | None:
    endpoint = deps.endpoints.items.get(endpoint_id)
    if endpoint is None:
        return f"its endpoint {endpoint_id!r} is deleted: there is nowhere to send it"
    if endpoint.config.state == "disabled":
        return f"its endpoint {endpoint_id!r} is disabled: enable it first"
    return None
