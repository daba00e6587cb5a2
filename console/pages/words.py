"""Every state with its one word, one tone and one icon: the same on every page, never colour alone."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Tone = Literal["good", "warn", "bad", "wait", "quiet", "odd"]


class State(msgspec.Struct, frozen=True):
    """How a state looks and what it means. `icon` names a symbol of templates/_icons.html."""

    word: str
    tone: Tone
    icon: str
    meaning: str


STATES: Final[dict[str, State]] = {
    # deliveries
    "delivered": State("delivered", "good", "check", "The receiver answered 2xx."),
    "queued": State("queued", "wait", "dots", "Waiting for its first attempt."),
    "retrying": State("retrying", "warn", "retry", "An attempt failed; another one is planned."),
    "held": State("held", "wait", "hourglass", "Waiting behind an earlier delivery of the same object."),
    "parked": State("parked", "wait", "pause", "Set aside in order until its object can go on."),
    "dead": State("dead", "bad", "cross", "Given up. It stays here until it is re-driven or 30 days have passed."),
    "filtered": State("filtered", "quiet", "funnel", "The endpoint's filter did not want it."),
    "superseded": State(
        "superseded", "quiet", "layers", "Not sent: the endpoint wants only the newest of each object, and a newer one came."
    ),
    "duplicate": State("duplicate", "quiet", "copy", "The provider sent it before."),
    # events that never became deliveries
    "quarantined": State("quarantined", "odd", "flask", "Authentic, but it could not be read as an event."),
    "rejected": State("rejected", "bad", "shield", "No source vouched for it; it was never processed."),
    "unrouted": State("unrouted", "odd", "fork", "Authentic and readable, but no endpoint wanted it."),
    # endpoints and sources
    "active": State("active", "good", "check", "Deliveries are sent."),
    "failing": State("failing", "bad", "alert", "Its latest attempts failed."),
    "paused": State("paused", "wait", "pause", "Deliveries wait until someone resumes it."),
    "disabled": State("disabled", "quiet", "stop", "Nothing is sent to it until someone enables it."),
    "enabled": State("enabled", "good", "check", "Webhooks are accepted."),
}

CAUSES: Final[dict[str, str]] = {
    "exhausted": "Every attempt of its retry schedule failed.",
    "gone": "The receiver asked never to be called again (410 Gone, or webhook-delivery: disable), so its endpoint was disabled.",
    "endpoint_disabled": "Its endpoint was disabled when it was due. Enabling the endpoint can send it.",
    "endpoint_deleted": "Its endpoint was deleted; there is nowhere to send it.",
    "endpoint_unusable": "Its endpoint cannot be called as it is set up: look at its URL, its secrets and its credentials.",
    "skipped": "A person gave it up, so that the next of its object could go.",
    "aborted": "The receiver asked not to be sent this one again (webhook-delivery: abort-message).",
}
"""Why a delivery is dead."""


def cause(name: str | None) -> str:
    """Why a delivery is dead, in a sentence; one that is not known shows its own name."""
    return CAUSES.get(name or "") or f"{(name or 'given up').replace('_', ' ').capitalize()}."


DELIVERY_STATES: Final = ("delivered", "queued", "retrying", "held", "parked", "dead", "filtered", "superseded", "duplicate")


def state(name: str) -> State:
    """The state's look; one that is not known shows its own name."""
    return STATES.get(name) or State(name, "quiet", "dots", "")
