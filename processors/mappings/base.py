"""What the mappings share: their result, their error, tolerant decoding and the helpers that name the field at fault."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from processors import times
from processors.money import NO_CURRENCY, money
from schemas.records import Address, InventoryLevel, Money, Order, Payment, Shipment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.records import WebhookReceived

T = TypeVar("T")
Id = int | str | None
Amount = Any
"""A JSON number or string; numbers with a fraction come as Decimal, never as float."""
Raw = msgspec.Raw
NOTHING: Final = Raw()
EXTRA_VALUE: Final = 2048
EXTRA_TOTAL: Final = 8192
BOM: Final = b"\xef\xbb\xbf"
_EMPTY: Final = frozenset({b"", b"null", b'""', b"[]", b"{}"})


class MappingError(ValueError):
    """The webhook cannot be mapped; the message names the field. `cause` is of EventQuarantined's vocabulary."""

    def __init__(self, detail: str, cause: str = "mapping_failed") -> None:
        super().__init__(detail)
        self.cause = cause


class Unmapped(msgspec.Struct, frozen=True):
    """There is no canonical event for this provider topic."""

    topic: str


class Mapped(msgspec.Struct, frozen=True):
    """One canonical object and what happened to it. `data` bytes stand for an own event. `occurred_at` None: unknown."""

    type: str
    object_id: str
    data: Order | InventoryLevel | Shipment | Payment | bytes
    occurred_at: int | None


Mapper = Callable[["WebhookReceived"], "list[Mapped] | Unmapped"]


class Model(msgspec.Struct, gc=False):
    """Base of the provider's own objects: unknown fields are ignored, known ones must have their type."""


def decoder(model: type[T]) -> msgspec.json.Decoder[T]:
    """A decoder that keeps decimals exact."""
    return msgspec.json.Decoder(model, float_hook=Decimal)


def decode(reader: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body as the provider's object. Raises MappingError."""
    try:
        return reader.decode(body.removeprefix(BOM))
    except msgspec.ValidationError as e:
        raise MappingError(str(e)) from e
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise MappingError(f"the body is no JSON: {e}", cause="bad_json") from e


def ident(value: Id, field: str) -> str:
    """A required id as text. Raises MappingError."""
    text = optional_id(value)
    if text is None:
        raise MappingError(f"{field} is missing")
    return text


def optional_id(value: Id) -> str | None:
    """An id as text; None for none."""
    return None if value is None or value == "" else str(value)


def amount(value: Amount, currency: str, field: str) -> Money:
    """A required amount. Raises MappingError."""
    try:
        return money(value, currency)
    except ValueError as e:
        raise MappingError(f"{field}: {e}") from e


def optional_amount(value: Amount, currency: str, field: str) -> Money | None:
    """An amount, None where there is none. Raises MappingError."""
    return None if value is None or value == "" else amount(value, currency, field)


def when(text: str | None, field: str) -> int | None:
    """A time, None where there is none. Raises MappingError."""
    if not text:
        return None
    try:
        return times.parse(text)
    except ValueError as e:
        raise MappingError(f"{field}: {e}") from e


def seconds(value: int | None, field: str) -> int | None:
    """A Unix time in ms, None where there is none. Raises MappingError."""
    if value is None:
        return None
    try:
        return times.from_seconds(value)
    except ValueError as e:
        raise MappingError(f"{field}: {e}") from e


def first(*found: T | None) -> T | None:
    """The first that is there."""
    return next((f for f in found if f is not None), None)


def leftovers(fields: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    """Fields without a place in the model, as JSON text just as sent; a long one leaves a note that it was."""
    kept: dict[str, str] = {}
    room = EXTRA_TOTAL
    for name, raw in fields.items():
        text = bytes(raw).strip()
        if text in _EMPTY:
            continue
        if len(text) > min(EXTRA_VALUE, room):
            text = b'"%d bytes, see the raw webhook"' % len(text)
        kept[name] = text.decode()
        room -= len(text)
    return kept


def as_json(value: str) -> str:
    """A value of ours as JSON text, for `extra`."""
    return msgspec.json.encode(value).decode()


def one_line(parts: Iterable[str | None]) -> str | None:
    """Parts that are there, joined by commas."""
    return ", ".join(p for p in parts if p) or None


def address(
    *,
    name: str | None,
    company: str | None,
    lines: Iterable[str | None],
    city: str | None,
    region: str | None,
    postal_code: Id,
    country: str | None,
    phone: Id,
) -> Address:
    """An address, empty texts as none."""
    return Address(
        name=name or None,
        company=company or None,
        lines=[line for line in lines if line],
        city=city or None,
        region=region or None,
        postal_code=optional_id(postal_code),
        country=country or None,
        phone=optional_id(phone),
    )


def thin_order(order_id: str, status: str, at: int | None, extra: dict[str, str]) -> Order:
    """An order of which the webhook says little more than its id: no lines, no money (0 XXX), `thin` in extra."""
    return Order(
        id=order_id,
        status=status,
        payment_status="unknown",
        fulfillment_status="unknown",
        total=money(0, NO_CURRENCY),
        lines=[],
        tags=[],
        updated_at=at,
        extra={"thin": "true", **extra},
    )
