"""Tells how endpoints are doing: `endpoints.standing` for the console, events for whoever subscribed, and the end of patience.

Told when it changes, never per attempt. An event's id is a pure function of what it tells, so a repeat can be told from it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from runtime import metrics
from schemas import operational
from schemas.records import EndpointStanding

if TYPE_CHECKING:
    from delivery.health import News
    from delivery.item import Due
    from delivery.outbox import Outbox
    from delivery.outcome import Outcome
    from delivery.receiver import Receiver
    from runtime.clock import Clock

log = logging.getLogger(__name__)


class Watch:
    """Takes every outcome in. `disable_after_s`: how long an endpoint may do nothing but fail."""

    def __init__(self, outbox: Outbox, clock: Clock, disable_after_s: float) -> None:
        self._outbox, self._clock, self._disable_after_s = outbox, clock, disable_after_s

    def learn(self, receiver: Receiver, outcome: Outcome, now: float) -> bool:
        """An attempt ended. Answers whether the endpoint's breaker moved."""
        breaker, health = receiver.breaker, receiver.health
        moved = breaker.succeeded() if outcome.delivered else breaker.failed(now)
        failing_from = health.failing_from_ms
        news = health.learn(
            delivered=outcome.delivered,
            started_ms=outcome.started_at,
            now_ms=self._clock.now_ms(),
            disable_after_s=self._disable_after_s,
        )
        if moved or news is not None:
            self._stand(receiver, outcome, now)
        if news == "given_up":
            self.disable(receiver, "failing", f"nothing but failures for {self._disable_after_s / 86400:.3g} days", outcome)
        elif news is not None:
            self._tell(receiver, news, outcome, failing_from or health.failing_from_ms or 0)
        return moved

    def disable(self, receiver: Receiver, why: str, reason: str, outcome: Outcome) -> None:
        """Send it nothing more, until somebody enables it; what comes meanwhile is kept among the dead letters."""
        config = receiver.endpoint.config
        if config.state == "disabled":
            return
        log.warning("endpoint disabled", extra={"endpoint": config.id, "reason": reason})
        metrics.DISABLED.labels(why).inc()
        now_ms = self._clock.now_ms()
        changed = msgspec.structs.replace(config, state="disabled", state_reason=reason, disabled_by="hub", updated_at=now_ms)
        self._outbox.configure(changed)
        receiver.endpoint = msgspec.structs.replace(receiver.endpoint, config=changed)  # at once, not when Kafka tells
        self._notice(receiver, operational.DISABLED, _failure(outcome), str(config.updated_at))

    def exhausted(self, receiver: Receiver, item: Due, outcome: Outcome, cause: str) -> None:
        """A delivery was given up after its last attempt."""
        d = item.delivery
        if d.event_type in operational.OPERATIONAL_TYPES:
            return
        data = {
            "delivery_id": d.id, "webhook_id": d.webhook_id, "event_id": d.event_id, "event_type": d.event_type,
            "object_key": d.object_key, "attempts": d.attempt, "cause": cause,
        }  # fmt: skip
        self._notice(receiver, operational.EXHAUSTED, data | _failure(outcome), f"{d.id}/{d.attempt}")

    def _tell(self, receiver: Receiver, news: News, outcome: Outcome, failing_from: int) -> None:
        kind = operational.FAILING if news == "failing" else operational.RECOVERED
        self._notice(receiver, kind, {} if news == "recovered" else _failure(outcome), str(failing_from))

    def _notice(self, receiver: Receiver, kind: str, data: dict[str, object], unique: str) -> None:
        config, health = receiver.endpoint.config, receiver.health
        known = {
            "url": config.url,
            "state": config.state,
            "reason": config.state_reason,
            "failing_from_at": _show(health.failing_from_ms),
            "failures": health.failures,
            "last_status": None,
            "last_error": None,
        }
        self._outbox.tell(operational.received(kind, config.tenant, config.id, known | data, self._clock.now_ms(), unique))

    def _stand(self, receiver: Receiver, outcome: Outcome, now: float) -> None:
        breaker, health, now_ms = receiver.breaker, receiver.health, self._clock.now_ms()
        config = receiver.endpoint.config
        self._outbox.stand(
            EndpointStanding(
                id=config.id,
                tenant=config.tenant,
                breaker=breaker.state,
                failing_from_at=health.failing_from_ms,
                failures=health.failures,
                probe_at=now_ms + round((breaker.probe_at - now) * 1000) if breaker.state == "open" else None,
                last_status=outcome.status,
                last_error=outcome.error,
                updated_at=now_ms,
            )
        )


def _failure(outcome: Outcome) -> dict[str, object]:
    return {"last_status": outcome.status, "last_error": outcome.error}


def _show(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
