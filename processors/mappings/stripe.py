"""Stripe: payments. A charge, a checkout session and the payment intent behind them are one payment, called by the intent.

Amounts are what Stripe has counted so far, in the currency's minor unit. The order a payment is for stands in
metadata.order_id or metadata.order_ref, or in client_reference_id of a checkout session. A dispute takes the money back
for now: payment.failed with the status disputed. Source: docs.stripe.com, "Types of events", "Supported currencies".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from processors.mappings import base
from processors.mappings.base import NOTHING, Mapped, MappingError, Model, Raw, Unmapped
from processors.money import minor
from schemas.records import Money, Payment

if TYPE_CHECKING:
    from schemas.records import WebhookReceived

VERSION: Final = 1
_DIGITS: Final = {"ISK": 2, "UGX": 2, "MGA": 0}  # where Stripe counts otherwise than ISO 4217 ("Special cases")


class Expanded(Model):
    """An object in place of its id."""

    id: str = ""


class Failure(Model):
    """The last failure of a payment intent."""

    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class Method(Model):
    """How it was paid."""

    type: str | None = None


class StripeObject(Model):
    """A payment intent, a charge, a checkout session or a dispute: the fields of all of them."""

    id: str
    currency: str | None = None
    created: int | None = None
    status: str | None = None
    metadata: dict[str, Any] | None = None
    payment_intent: str | Expanded | None = None
    charge: str | Expanded | None = None
    client_reference_id: str | None = None
    payment_status: str | None = None
    amount: int | None = None
    amount_total: int | None = None
    amount_received: int | None = None
    amount_captured: int | None = None
    amount_refunded: int | None = None
    captured: bool = False
    failure_code: str | None = None
    failure_message: str | None = None
    last_payment_error: Failure | None = None
    cancellation_reason: str | None = None
    reason: str | None = None
    payment_method_details: Method | None = None
    payment_method_types: list[str] | None = None
    customer: Raw = NOTHING
    description: Raw = NOTHING
    invoice: Raw = NOTHING
    livemode: Raw = NOTHING


class StripeData(Model):
    """What the envelope holds."""

    object: StripeObject


class StripeEvent(Model):
    """The envelope."""

    type: str
    data: StripeData
    created: int | None = None


_EVENT: Final = base.decoder(StripeEvent)
_TYPES: Final = {
    "payment_intent.succeeded": ("payment.captured", "captured"),
    "payment_intent.amount_capturable_updated": ("payment.authorized", "authorized"),
    "payment_intent.payment_failed": ("payment.failed", "failed"),
    "payment_intent.canceled": ("payment.failed", "cancelled"),
    "charge.succeeded": ("payment.captured", "captured"),
    "charge.captured": ("payment.captured", "captured"),
    "charge.failed": ("payment.failed", "failed"),
    "charge.expired": ("payment.failed", "cancelled"),
    "charge.refunded": ("payment.refunded", "refunded"),
    "charge.dispute.created": ("payment.failed", "disputed"),
    "charge.dispute.closed": ("payment.failed", "disputed"),
    "checkout.session.completed": ("payment.captured", "captured"),
    "checkout.session.async_payment_succeeded": ("payment.captured", "captured"),
    "checkout.session.async_payment_failed": ("payment.failed", "failed"),
}


def convert(webhook: WebhookReceived) -> list[Mapped] | Unmapped:
    """Canonical objects of one webhook. Raises MappingError."""
    if webhook.topic not in _TYPES:
        return Unmapped(webhook.topic)
    envelope = base.decode(_EVENT, webhook.body)
    found = envelope.data.object
    event_type, status = _TYPES[webhook.topic]
    if webhook.topic == "charge.succeeded" and not found.captured:
        event_type, status = "payment.authorized", "authorized"
    elif webhook.topic == "checkout.session.completed" and found.payment_status != "paid":
        return Unmapped(f"{webhook.topic} {found.payment_status}")  # the money comes later, with an event of its own
    elif webhook.topic == "charge.dispute.closed" and found.status != "lost":
        return Unmapped(f"{webhook.topic} {found.status}")
    payment = _payment(found, status)
    return [Mapped(event_type, payment.id, payment, base.seconds(envelope.created, "created"))]


def _payment(found: StripeObject, status: str) -> Payment:
    failure = found.last_payment_error or Failure()
    authorized, captured, refunded = (
        _money(found, n) for n in (_authorized(found, status), _captured(found), found.amount_refunded)
    )
    code = found.failure_code or failure.decline_code or failure.code or found.reason or found.cancellation_reason
    whole = {"captured": _partly(captured, authorized), "refunded": _partly(refunded, captured)}
    return Payment(
        id=_name(found.payment_intent) or _name(found.charge) or found.id,
        order_id=_order_id(found),
        status=f"partially_{status}" if whole.get(status) else status,
        authorized=authorized,
        captured=captured if captured and captured.amount else None,
        refunded=refunded if refunded and refunded.amount else None,
        method=_method(found),
        failure_code=code if status in {"failed", "cancelled", "disputed"} else None,
        failure_message=(found.failure_message or failure.message) if status == "failed" else None,
        created_at=base.seconds(found.created, "data.object.created"),
        extra=_extra(found),
    )


def _authorized(found: StripeObject, status: str) -> int | None:
    if status in {"failed", "cancelled", "disputed"}:
        return None
    return found.amount if found.amount is not None else found.amount_total


def _captured(found: StripeObject) -> int | None:
    counted = base.first(found.amount_captured, found.amount_received)
    if counted is not None:
        return counted
    if found.payment_status == "paid":
        return found.amount_total
    return found.amount if found.captured else None  # charges of API versions before 2020-08-27


def _money(found: StripeObject, value: int | None) -> Money | None:
    if value is None:
        return None
    try:
        return minor(value, found.currency or "", _DIGITS.get((found.currency or "").upper()))
    except ValueError as e:
        raise MappingError(f"data.object.currency: {e}") from e


def _partly(part: Money | None, whole: Money | None) -> bool:
    return part is not None and whole is not None and part.amount < whole.amount


def _order_id(found: StripeObject) -> str | None:
    metadata = found.metadata or {}
    named = metadata.get("order_id") or metadata.get("order_ref") or found.client_reference_id
    return str(named) if named else None


def _name(reference: str | Expanded | None) -> str | None:
    return reference.id if isinstance(reference, Expanded) else reference


def _method(found: StripeObject) -> str | None:
    if found.payment_method_details and found.payment_method_details.type:
        return found.payment_method_details.type
    return found.payment_method_types[0] if found.payment_method_types else None


def _extra(found: StripeObject) -> dict[str, str]:
    fields = {name: getattr(found, name) for name in ("customer", "description", "invoice", "livemode")}
    if found.metadata:
        fields["metadata"] = Raw(msgspec.json.encode(found.metadata))
    return base.leftovers({"object_id": Raw(msgspec.json.encode(found.id)), **fields})
