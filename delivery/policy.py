"""Outcome of an attempt to what happens next: one pure table.

Sources: Standard Webhooks specification, "Deliverability and reliability" (2xx success, 410 disable,
429/502/504 slow down, retry-after); RFC 9110 section 10.2.3 (Retry-After); the response header `webhook-delivery`
(`disable`, `abort-message`) is that of Svix, docs.svix.com/receiving/delivery-control.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from delivery.outcome import Outcome

JITTER: Final = 0.2  # of the delay, either way
RETRY_AFTER_MAX_S: Final = 24 * 3600.0
HONOURS_RETRY_AFTER: Final = frozenset({429, 503})
GONE: Final = 410


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with a delivery after an attempt. `delay_s` counts from now, for "retrying" only."""

    state: Literal["delivered", "retrying", "dead"]
    delay_s: float = 0.0
    cause: str | None = None  # of death
    disable: str | None = None  # the receiver asked never to be called again: how, in words


def decide(outcome: Outcome, *, step: int, schedule: Sequence[float], now_ms: int, jitter: float) -> Decision:
    """The table. `schedule` holds seconds before each retry, `step` the attempt's position (0: first attempt),
    `jitter` is a random number from -1 to 1.
    """
    if outcome.delivered:
        return Decision(state="delivered")
    asked = outcome.headers.get("webhook-delivery", "")
    if outcome.status == GONE or asked == "disable":
        how = "410" if outcome.status == GONE else "webhook-delivery: disable"
        return Decision(state="dead", cause="gone", disable=f"answered {how}: it asked not to be called again")
    if asked == "abort-message":
        return Decision(state="dead", cause="aborted")
    if step >= len(schedule):
        return Decision(state="dead", cause="exhausted")
    delay = schedule[step] * (1 + JITTER * jitter)
    if outcome.status in HONOURS_RETRY_AFTER:
        delay = max(delay, min(retry_after_s(outcome.headers.get("retry-after"), now_ms), RETRY_AFTER_MAX_S))
    return Decision(state="retrying", delay_s=delay)


def retry_after_s(value: str | None, now_ms: int) -> float:
    """Seconds a Retry-After header asks for: delay-seconds or an HTTP date; 0 when absent or nonsense."""
    if not value:
        return 0.0
    if value.strip().isdecimal():
        # A receiver may send any number of digits: longer than ten is "very long", not an error.
        return float(value.strip()[:10])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_ms / 1000)
    except (ValueError, OverflowError, TypeError):
        return 0.0
