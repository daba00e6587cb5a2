"""What /v1/events takes: one event or a batch, checked field by field, turned into records. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from schemas import ids
from schemas.operational import OPERATIONAL_TYPES
from schemas.own_events import own_event
from schemas.providers import API_SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.records import WebhookReceived

BATCH_MAX: Final = 1000
_RESERVED: Final = tuple(OPERATIONAL_TYPES)  # a tuple: what is compared with it may be anything JSON can be
_TYPE: Final = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`")
Problems = list[tuple[str, str]]
T = TypeVar("T")


class NewEvent(msgspec.Struct, forbid_unknown_fields=True):
    """One event as it is published; every field is checked by `check`, so that all mistakes are named at once."""

    type: object = None
    data: msgspec.Raw = msgspec.Raw()
    key: object = None
    tenant: object = None
    occurred_at: object = None
    idempotency_key: object = None


_FIELDS: Final = ", ".join(NewEvent.__struct_fields__)


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """A batch as it is published; each event is decoded by itself, so that its mistakes carry its index."""

    events: list[msgspec.Raw]


class BadEventsError(ValueError):
    """The body cannot be published; `problems` are (field, message), `status` the HTTP status that says so."""

    def __init__(self, problems: Problems, status: int = 422) -> None:
        super().__init__("; ".join(f"{field} {message}" for field, message in problems))
        self.problems, self.status = problems, status


class Published(msgspec.Struct, frozen=True):
    """A record to keep and the id of the event it will become."""

    record: WebhookReceived
    event_id: str


def parse_one(body: bytes, idempotency_key: str | None) -> NewEvent:
    """The checked event of a body; a key given beside it counts. Raises BadEventsError."""
    event = _decode(body, NewEvent, _FIELDS)
    if idempotency_key is not None:
        event = msgspec.structs.replace(event, idempotency_key=idempotency_key)
    problems = check(event)
    if problems:
        raise BadEventsError(problems)
    return event


def parse_batch(body: bytes) -> list[NewEvent]:
    """The checked events of a body, `{"events": [...]}`: all or none. Raises BadEventsError."""
    raw = _decode(body, Batch, "events").events
    if not 1 <= len(raw) <= BATCH_MAX:
        raise BadEventsError([("events", f"has {len(raw)} events: send 1 to {BATCH_MAX}")])
    events: list[NewEvent] = []
    problems: Problems = []
    for index, one in enumerate(raw):
        where = f"events[{index}]"
        try:
            events.append(_decode(one, NewEvent, _FIELDS))
        except BadEventsError as e:
            problems += [(where if field == "body" else f"{where}.{field}", message) for field, message in e.problems]
        else:
            problems += check(events[-1], f"{where}.")
    if problems:
        raise BadEventsError(problems)
    return events


def _decode(body: bytes | msgspec.Raw, wanted: type[T], fields: str) -> T:
    try:
        bytes(body).decode()  # raw data is passed on as it is, so it must be text to begin with
        return msgspec.json.decode(body, type=wanted)
    except msgspec.ValidationError as e:
        raise BadEventsError([_located(str(e), fields)]) from e
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BadEventsError([("body", f"is no JSON: {e}")], status=400) from e


def _located(message: str, fields: str) -> tuple[str, str]:
    """Field and message of what msgspec says, such as "Expected `object`, got `int` - at `$.events`"."""
    text, _, path = message.partition(" - at `$")
    unknown = _UNKNOWN.fullmatch(text)
    return (unknown[1], f"is not known: use {fields}") if unknown else (path.strip(".`") or "body", text)


def check(event: NewEvent, where: str = "") -> Problems:
    """Everything that is wrong with an event, fields named under `where`."""
    rules = (
        ("type", isinstance(event.type, str) and len(event.type) <= 128 and _TYPE.fullmatch(event.type),
         "must be words of a-z, 0-9 and _ joined by dots, at most 128 characters, such as loyalty.points_earned"),
        ("type", event.type not in _RESERVED, "is reserved for what the hub tells of itself: choose another name"),
        ("data", bytes(event.data)[:1] == b"{", "must be a JSON object"),
        ("key", event.key is None or _is_text(event.key, 256), "must be text of 1 to 256 printable characters"),
        ("tenant", event.tenant is None or (isinstance(event.tenant, str) and _TENANT.fullmatch(event.tenant)),
         "must be 1 to 64 letters, digits, dots, dashes and underscores"),
        ("idempotency_key", event.idempotency_key is None or _is_text(event.idempotency_key, 255),
         "must be text of 1 to 255 printable characters"),
        ("occurred_at", event.occurred_at is None or _millis(event.occurred_at) is not None,
         "must be RFC 3339 with an offset, such as 2026-11-23T10:00:00Z"),
    )  # fmt: skip
    return [(where + field, message) for field, well, message in rules if not well]


def publish(event: NewEvent, *, now_ms: int, new_id: Callable[[str], str]) -> Published:
    """The record of a checked event."""
    tenant, kind = str(event.tenant or "default"), str(event.type)
    provider_id = None if event.idempotency_key is None else str(event.idempotency_key)
    key = None if event.key is None else str(event.key)
    received = ids.received_id(tenant, API_SOURCE, kind, provider_id) if provider_id else new_id("rcv_")
    record = own_event(
        kind,
        bytes(event.data),
        tenant=tenant,
        received_id=received,
        provider_id=provider_id,
        key=key,
        occurred_at=_millis(event.occurred_at),
        received_at=now_ms,
        verified_by="key",
    )
    return Published(record, ids.event_id(received, kind, key or received))


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest and value.isprintable()


def _millis(value: object) -> int | None:
    """Milliseconds since the epoch of an RFC 3339 time; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if at.tzinfo is None else round(at.timestamp() * 1000)
