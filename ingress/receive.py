"""POST /in/{source}: limits, source, address, raw body, verify, keep, answer. Nothing slow before the answer.

A plain ASGI application: no request or response objects on the path that every webhook takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingress.answers import Answer, Problem, success
from ingress.doors import Counters
from ingress.headers import HEADER_COUNT_MAX, HEADERS_MAX, by_name, too_large
from ingress.keeper import TRACE
from ingress.providers.profile import Handshake, Request, Verified
from ingress.refusals import Refusal
from ingress.rejections import Incoming
from runtime import metrics
from schemas import ids
from schemas.records import WebhookReceived

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from ingress.body import Bodies
    from ingress.doors import Doors
    from ingress.headers import RawHeaders
    from ingress.keeper import Keeper
    from ingress.providers.profile import Identity, Profile
    from ingress.rejections import Rejections
    from runtime.clock import Clock
    from schemas.records import SourceConfig

PATH: Final = "/in/"


class Receiver:
    """The endpoint of all sources."""

    def __init__(
        self,
        *,
        doors: Doors,
        bodies: Bodies,
        keeper: Keeper,
        rejections: Rejections,
        clock: Clock,
        new_id: Callable[[str], str],
    ) -> None:
        self._doors, self._bodies, self._keeper = doors, bodies, keeper
        self._rejections, self._clock, self._new_id = rejections, clock, new_id
        self._unknown = Counters("unknown")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request and answer it."""
        started = self._clock.monotonic()
        incoming = Incoming(
            source=scope["path"].removeprefix(PATH),
            remote=(scope.get("client") or ("unknown", 0))[0],
            headers=by_name(scope["headers"]),
        )
        try:
            answer = await self._judge(scope, receive, incoming)
        except Refusal as refusal:
            self._rejections.record(incoming, refusal)
            answer = refusal.answer()
        except Problem as problem:
            answer = problem.answer()
        finally:
            self._bodies.release(len(incoming.body))
        await answer.send(send)
        counters = incoming.door.counters if incoming.door else self._unknown
        counters.received.inc()
        counters.seconds.observe(self._clock.monotonic() - started)

    async def _judge(self, scope: Scope, receive: Receive, incoming: Incoming) -> Answer:
        _check_head(scope)
        incoming.door = door = await self._doors.find(incoming.source)
        door.check_address(incoming.remote)
        incoming.body = await self._bodies.read(receive, incoming.headers.get("content-length"))
        profile = door.open()
        now_ms = self._clock.now_ms()
        request = Request(incoming.body, incoming.headers, scope["method"], door.source.config.external_url)
        outcome = profile.verify(request, door.source.secrets, now_ms)
        if isinstance(outcome, Verified):
            door.counters.verified_by(outcome.secret_id).inc()
            record = self._received(door.source.config, profile, request, outcome.secret_id, now_ms)
            await self._keeper.keep(record, incoming.headers.get(TRACE))
            return success(200, {"id": record.id})
        if isinstance(outcome, Handshake):
            metrics.HANDSHAKES.labels(profile.slug, outcome.kind).inc()
            return success(200, {"handshake": outcome.kind})
        raise Refusal(outcome.reason, outcome.detail)

    def _received(self, config: SourceConfig, profile: Profile, request: Request, secret_id: str, now_ms: int) -> WebhookReceived:
        about = profile.identify(request)
        return WebhookReceived(
            id=self._id(config, about),
            tenant=config.tenant,
            source=config.id,
            provider=config.provider,
            provider_id=about.delivery,
            topic=about.topic,
            account=about.account,
            object_id=about.object,
            headers=profile.kept(request.headers),
            body=request.body,
            content_type=request.headers.get("content-type", ""),
            received_at=now_ms,
            verified_by=secret_id,
        )

    def _id(self, config: SourceConfig, about: Identity) -> str:
        """The same for a repeat of the same delivery, where the provider says which it is."""
        if about.delivery is None:
            return self._new_id("rcv_")
        return ids.received_id(config.tenant, config.id, about.topic, about.delivery)


def _check_head(scope: Scope) -> None:
    raw: RawHeaders = scope["headers"]
    if too_large(raw):
        raise Refusal("headers_too_large", f"more than {HEADER_COUNT_MAX} headers or {HEADERS_MAX} bytes of them")
    if scope["method"] != "POST":
        raise Refusal("method_not_allowed", f"{scope['method']} is not for webhooks: this source takes POST")
    for name, value in raw:
        if name == b"content-encoding" and value.lower() not in (b"", b"identity"):
            encoding = value.decode("latin-1")
            raise Refusal("encoding_unsupported", f"Content-Encoding {encoding} is not supported: send the body plain")
