"""The body a receiver gets: Standard Webhooks `{"type", "timestamp", "data", "meta"}`. Pure and deterministic.

`data` is the object after the event: money as {"amount": "78.40", "currency": "EUR"}, times in ISO 8601, `extra` as JSON;
an own event's data stands there byte for byte. `meta` says where it comes from, beside the data so that it cannot collide
with a field of it. The bytes are the same whether the event was just made or read back from its topic.
"""

from __future__ import annotations

import types
import typing
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw

from processors import times
from processors.money import money
from schemas.records import CustomEvent, Money, Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from schemas.records import Event

_encode: Final = msgspec.json.Encoder().encode


def render(event: Event) -> bytes:
    """The body. Raises ValueError when an amount or a time cannot be shown."""
    body = {
        "type": event.type,
        "timestamp": times.show(event.occurred_at),
        "data": Raw(event.data) if isinstance(event, CustomEvent) else _show(event.data),
        "meta": {
            "event_id": event.id,
            "source": event.source,
            "channel": event.channel,
            "object_id": event.object_id,
            "sequence": event.sequence,
        },
    }
    return _encode(body)


def _show(value: Record) -> Record | dict[str, Any]:
    """A record as JSON-ready fields; one in which nothing has to change is left to the encoder as it is."""
    plan = _plan(type(value))
    if not plan:
        return value
    fields = msgspec.structs.asdict(value)
    for name, show in plan:
        found = fields[name]
        if found is not None:
            fields[name] = show(found)
    return fields


def _money(value: Money) -> Raw:
    return _shown(value.amount, value.currency)


@lru_cache(maxsize=16_384)
def _shown(amount: Decimal, currency: str) -> Raw:
    found = money(amount, currency)
    return Raw(_encode({"amount": format(found.amount, "f"), "currency": found.currency}))


def _json(value: dict[str, str]) -> dict[str, Raw]:
    return {name: Raw(text.encode()) for name, text in sorted(value.items())}


def _many(value: list[Record]) -> list[Any]:
    return [_show(item) for item in value]


@cache
def _plan(record: type[Record]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """The fields of a record that have to change, and how."""
    hints = typing.get_type_hints(record)
    hows = ((name, _how(name, hints[name])) for name in record.__struct_fields__)
    return tuple((name, how) for name, how in hows if how is not None)


def _how(name: str, hint: Any) -> Callable[[Any], Any] | None:
    args = typing.get_args(hint)
    inner = next((a for a in args if a is not types.NoneType), hint)
    if inner is Money:
        return _money
    if inner is int and name.endswith("_at"):
        return times.show
    if typing.get_origin(hint) is dict:
        return _json
    if isinstance(inner, type) and issubclass(inner, Record) and _plan(inner):
        return _many if typing.get_origin(hint) is list else _show
    return None
