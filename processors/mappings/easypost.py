"""EasyPost: trackers to shipments; the tracker's status says which event it is. Source: docs.easypost.com, "Trackers"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.mappings import base
from processors.mappings.base import NOTHING, Id, Mapped, Model, Raw, Unmapped
from schemas.records import Shipment, TrackingEvent

if TYPE_CHECKING:
    from schemas.records import WebhookReceived

VERSION: Final = 1


class Location(Model):
    """Where a scan was made."""

    city: str | None = None
    state: str | None = None
    zip: Id = None
    country: str | None = None


class Detail(Model):
    """One scan."""

    status: str | None = None
    message: str | None = None
    datetime: str | None = None
    tracking_location: Location | None = None


class Tracker(Model):
    """A parcel being tracked."""

    id: Id = None
    status: str | None = None
    carrier: str | None = None
    tracking_code: Id = None
    public_url: str | None = None
    est_delivery_date: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    tracking_details: tuple[Detail, ...] = ()
    shipment_id: Raw = NOTHING
    signed_by: Raw = NOTHING
    status_detail: Raw = NOTHING
    is_return: Raw = NOTHING


class Event(Model):
    """The envelope."""

    result: Tracker
    created_at: str | None = None


_EVENT: Final = base.decoder(Event)
_STATUS: Final = {
    "pre_transit": "label",
    "in_transit": "in_transit",
    "available_for_pickup": "in_transit",
    "out_for_delivery": "out_for_delivery",
    "delivered": "delivered",
    "return_to_sender": "returned",
    "failure": "exception",
    "error": "exception",
    "cancelled": "cancelled",
}
_TYPES: Final = {"delivered": "shipment.delivered", "exception": "shipment.exception", "returned": "shipment.exception"}


def convert(webhook: WebhookReceived) -> list[Mapped] | Unmapped:
    """Canonical objects of one webhook. Raises MappingError."""
    if webhook.topic not in {"tracker.created", "tracker.updated"}:
        return Unmapped(webhook.topic)
    event = base.decode(_EVENT, webhook.body)
    tracker = event.result
    status = _STATUS.get(tracker.status or "", "unknown")
    shipment = Shipment(
        id=base.ident(tracker.id, "result.id"),
        carrier=tracker.carrier or None,
        tracking_number=base.optional_id(tracker.tracking_code),
        tracking_url=tracker.public_url or None,
        status=status,
        lines=[],
        events=[_scan(d, index, webhook.received_at) for index, d in enumerate(tracker.tracking_details)],
        estimated_delivery_at=base.when(tracker.est_delivery_date, "result.est_delivery_date"),
        created_at=base.when(tracker.created_at, "result.created_at"),
        updated_at=base.when(tracker.updated_at, "result.updated_at"),
        extra=base.leftovers({n: getattr(tracker, n) for n in ("shipment_id", "signed_by", "status_detail", "is_return")}),
    )
    at = base.when(tracker.updated_at or event.created_at, "result.updated_at")
    return [Mapped(_TYPES.get(status, "shipment.updated"), shipment.id, shipment, at)]


def _scan(detail: Detail, index: int, otherwise: int) -> TrackingEvent:
    at = base.when(detail.datetime, f"result.tracking_details[{index}].datetime")
    place = detail.tracking_location
    return TrackingEvent(
        occurred_at=otherwise if at is None else at,
        status=_STATUS.get(detail.status or "", "unknown"),
        message=detail.message or "",
        location=base.one_line((place.city, place.state, base.optional_id(place.zip), place.country)) if place else None,
    )
