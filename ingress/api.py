"""POST /v1/events and /v1/events/batch: the merchant's own events, with a bearer key, kept like webhooks."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Any, Final

from ingress import events
from ingress.answers import Answer, Problem, success
from ingress.headers import by_name
from ingress.keeper import TRACE
from runtime import metrics
from schemas.providers import API_PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from ingress.body import Bodies
    from ingress.keeper import Keeper
    from runtime.clock import Clock

BATCH_BODIES: Final = 8  # a batch may be as large as this many single bodies


class EventsApi:
    """One of the two endpoints: a single event, or with `batch` many."""

    def __init__(
        self,
        *,
        admin_key: str | None,
        bodies: Bodies,
        keeper: Keeper,
        clock: Clock,
        new_id: Callable[[str], str],
        batch: bool = False,
    ) -> None:
        self._key, self._bodies, self._keeper, self._clock = admin_key, bodies, keeper, clock
        self._new_id, self._batch = new_id, batch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the key, read, check every field, keep, answer 202."""
        started = self._clock.monotonic()
        headers = by_name(scope["headers"])
        size = 0
        try:
            _authorize(headers, self._key)
            _check_content_type(headers)
            cap = self._bodies.cap * (BATCH_BODIES if self._batch else 1)
            body = await self._bodies.read(receive, headers.get("content-length"), cap)
            size = len(body)
            answer = await self._publish(body, headers)
        except events.BadEventsError as e:
            answer = Problem(e.status, "invalid", str(e)[:500], errors=e.problems[:100]).answer()
        except Problem as problem:
            answer = problem.answer()
        finally:
            self._bodies.release(size)
        await answer.send(send)
        metrics.INGRESS_SECONDS.labels(API_PROVIDER).observe(self._clock.monotonic() - started)

    async def _publish(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        published = self._parse(body, headers)
        metrics.RECEIVED.labels(API_PROVIDER).inc(len(published))
        metrics.VERIFIED.labels(API_PROVIDER, "key").inc(len(published))
        trace = headers.get(TRACE)
        kept = await asyncio.gather(*(self._keeper.keep(p.record, trace) for p in published), return_exceptions=True)
        for failure in kept:
            if failure is not None:
                raise failure
        answers = [_ids(p) for p in published]
        return success(202, {"events": answers} if self._batch else answers[0])

    def _parse(self, body: bytes, headers: Mapping[str, str]) -> list[events.Published]:
        """Records of a body, all or none. Raises BadEventsError."""
        found = events.parse_batch(body) if self._batch else [events.parse_one(body, headers.get("idempotency-key"))]
        now_ms = self._clock.now_ms()
        return [events.publish(event, now_ms=now_ms, new_id=self._new_id) for event in found]


def _ids(published: events.Published) -> dict[str, Any]:
    return {"id": published.event_id, "received_id": published.record.id}


def _authorize(headers: Mapping[str, str], key: str | None) -> None:
    challenge = ((b"www-authenticate", b'Bearer realm="hookstream"'),)
    if not key:
        raise Problem(401, "no_key", "no API key is set up: start the hub with HUB_ADMIN_KEY", headers=challenge)
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), key.encode()):
        raise Problem(401, "unauthorized", "send a valid key as Authorization: Bearer <key>", headers=challenge)


def _check_content_type(headers: Mapping[str, str]) -> None:
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(415, "unsupported_content", f"Content-Type {kind} is not supported: send application/json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported_content", "Content-Encoding is not supported: send the body plain")
