"""The whole ingress application over fakes of Kafka: what is answered, what is kept, in what order."""

from __future__ import annotations

import asyncio
import json

import pytest

from hub.samples import sample
from ingress.app import create_app
from ingress.body import Bodies
from runtime.clock import ManualClock
from runtime.config import Secret, Source
from runtime.health import Health
from runtime.publisher import Ack, PublishError
from runtime.settings import Settings
from schemas import ids, topics
from schemas.records import SourceConfig, WebhookReceived, WebhookRejected
from tests.lab import fixed_codec

CODEC = fixed_codec()
KEY = {"authorization": "Bearer adm1n", "content-type": "application/json"}


class FakeSources:
    """A live view that is told what to hold; `late` is what a catch-up finds."""

    def __init__(self, *sources: Source) -> None:
        self.items = {s.config.id: s for s in sources}
        self.version, self.ready, self.caught_up = 1, True, 0
        self.late: dict[str, Source] = {}

    async def catch_up(self) -> None:
        self.caught_up += 1
        self.put(*self.late.values())

    def put(self, *sources: Source) -> None:
        self.items = self.items | {s.config.id: s for s in sources}
        self.version += 1


class FakePublisher:
    """Acknowledges when `release` is set, or fails with `error`."""

    def __init__(self) -> None:
        self.sent: list[tuple[topics.Topic, str, bytes, dict]] = []
        self.error: str | None = None
        self.full = False
        self.release = asyncio.Event()
        self.release.set()

    async def publish(self, topic, key, value, headers=None) -> Ack:
        self.sent.append((topic, key, value, dict(headers or [])))
        await self.release.wait()
        if self.error:
            raise PublishError(self.error)
        return Ack(None, 0, len(self.sent))

    def send(self, topic, key, value, done, headers=None) -> None:
        if self.full:
            raise BufferError
        self.sent.append((topic, key, value, dict(headers or [])))
        done(Ack(self.error, 0, len(self.sent)))

    async def warm(self, _topics, _timeout_s=10) -> None:
        pass

    def of(self, topic):
        return [CODEC.decode(value, topic.record) for t, _, value, _ in self.sent if t is topic]

    @property
    def received(self) -> list[WebhookReceived]:
        return self.of(topics.RECEIVED)

    @property
    def rejected(self) -> list[WebhookRejected]:
        return self.of(topics.REJECTED)


def source(source_id: str, provider: str = "shopify", secret: str = "topsecret", **fields) -> Source:
    values = {
        "tenant": "acme",
        "description": "",
        "secrets": [],
        "ip_allowlist": [],
        "options": {},
        "enabled": True,
        "created_at": 0,
        "updated_at": 0,
    }
    return Source(SourceConfig(id=source_id, provider=provider, **{**values, **fields}), (Secret("s1", secret),))  # fmt: skip


class Ingress:
    def __init__(self, *sources: Source, **settings) -> None:
        self.clock = ManualClock()
        self.sources, self.publisher = FakeSources(*sources), FakePublisher()
        self.app = create_app(
            settings=Settings(**{"admin_key": "adm1n", **settings}), sources=self.sources, publisher=self.publisher, codec=CODEC,
            clock=self.clock, health=Health("ingress", self.clock),
        )  # fmt: skip

    async def call(self, method: str, path: str, body: bytes | list[bytes] = b"", headers=None, peer: str = "203.0.113.9"):
        """Status, headers and body of the answer; a list is a body in chunks, None in it a sender that goes away."""
        chunks = body if isinstance(body, list) else [body]
        raw = [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": raw,
            "client": (peer, 4711), "server": ("in", 80), "scheme": "http", "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"},
        }  # fmt: skip
        messages = [
            {"type": "http.disconnect"} if c is None else {"type": "http.request", "body": c, "more_body": i < len(chunks) - 1}
            for i, c in enumerate(chunks)
        ]
        out: list[dict] = []

        async def receive():
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message):
            out.append(message)

        await self.app(scope, receive, send)
        answer = b"".join(m.get("body", b"") for m in out[1:])
        found = {k.decode(): v.decode() for k, v in out[0]["headers"]}
        if "json" in found["content-type"]:
            answer = json.loads(answer)
            assert found["content-type"] == ("application/json" if out[0]["status"] < 300 else "application/problem+json")
        return out[0]["status"], found, answer

    async def hook(
        self, source_id: str = "shop", topic: str = "orders/create", secret: str = "topsecret", provider: str = "shopify", **kw
    ):
        headers, body = sample(provider, topic, secret=secret, now_ms=self.clock.now_ms(), **kw)
        return await self.call("POST", f"/in/{source_id}", body, headers)


async def test_an_authentic_webhook_is_kept_byte_for_byte():
    ingress = Ingress(source("shop"))
    headers, body = sample("shopify", "orders/create", secret="topsecret", now_ms=0, order_id=77, delivery_id="d-1")
    headers |= {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "cookie": "c=1"}
    status, _, answer = await ingress.call("POST", "/in/shop", body, headers)
    [record] = ingress.publisher.received
    assert (status, answer) == (200, {"id": ids.received_id("acme", "shop", "orders/create", "d-1")})
    assert record.body == body
    assert (record.id, record.tenant, record.source, record.provider) == (answer["id"], "acme", "shop", "shopify")
    assert (record.provider_id, record.topic, record.object_id, record.verified_by) == ("d-1", "orders/create", "77", "s1")
    assert (record.received_at, record.content_type) == (ingress.clock.now_ms(), "application/json")
    assert record.headers["x-shopify-webhook-id"] == "d-1"
    assert not {"cookie", "x-shopify-hmac-sha256"} & set(record.headers)
    _, key, _, kafka = ingress.publisher.sent[0]
    assert key == "acme/shop/77"
    assert kafka["event-type"] == b"orders/create"
    assert kafka["traceparent"].startswith(b"00-4bf9")


async def test_a_repeat_has_the_same_id_and_a_nameless_delivery_a_random_one():
    ingress = Ingress(source("shop"), source("plain", "generic-hmac", options={"header": "X-Sig"}))
    same = [(await ingress.hook(delivery_id="d-1"))[2]["id"] for _ in range(2)]
    assert len(set(same)) == 1
    kw = {"provider": "generic-hmac", "topic": "a", "options": {"header": "X-Sig"}, "body": b"same"}
    random = [(await ingress.hook("plain", **kw))[2]["id"] for _ in range(2)]
    assert len(set(random)) == 2
    keys = [key for _, key, _, _ in ingress.publisher.sent]
    assert keys[2:] == [f"acme/plain/{i}" for i in random]


async def test_no_answer_before_the_acknowledgement():
    ingress = Ingress(source("shop"))
    ingress.publisher.release.clear()
    calling = asyncio.create_task(ingress.hook())
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(ingress.publisher.sent) == 1
    assert not calling.done()
    ingress.publisher.release.set()
    assert (await calling)[0] == 200


async def test_kafka_away_is_503_with_retry_after():
    ingress = Ingress(source("shop"))
    ingress.publisher.error = "_MSG_TIMED_OUT: Local: Message timed out"
    status, headers, answer = await ingress.hook()
    assert (status, headers["retry-after"], answer["code"]) == (503, "5", "unavailable")
    assert ingress.publisher.rejected == []  # nothing is wrong with the request


@pytest.mark.parametrize(
    ("path", "change", "status", "code"),
    [
        ("/in/nope", {}, 404, "unknown_source"),
        ("/in/", {}, 404, "unknown_source"),
        ("/in/shop/more", {}, 404, "unknown_source"),
        ("/in/off", {}, 403, "source_disabled"),
        ("/in/near", {}, 403, "address_refused"),
        ("/in/broken", {}, 503, "misconfigured"),
        ("/in/shop", {"x-shopify-hmac-sha256": "AAAA"}, 401, "signature_mismatch"),
        ("/in/shop", {"x-shopify-hmac-sha256": None}, 401, "signature_missing"),
        ("/in/shop", {"content-encoding": "gzip"}, 415, "encoding_unsupported"),
        ("/in/shop", {"x-padding": "p" * 40_000}, 431, "headers_too_large"),
        ("/in/shop", {f"x-{n}": "" for n in range(120)}, 431, "headers_too_large"),
        ("/in/shop", {"content-length": "2000001"}, 413, "body_too_large"),
    ],
)
async def test_a_refusal_says_why_and_is_kept(path, change, status, code):
    ingress = Ingress(
        source("shop"), source("off", enabled=False), source("near", ip_allowlist=["10.0.0.0/8"]),
        source("broken", "generic-hmac", options={}),
    )  # fmt: skip
    headers, body = sample("shopify", "orders/create", secret="topsecret", now_ms=0)
    headers = {k: v for k, v in (headers | change).items() if v is not None}
    got, _, answer = await ingress.call("POST", path, body, headers)
    [rejected] = ingress.publisher.rejected
    assert (got, answer["code"], rejected.reason) == (status, code, code)
    assert rejected.detail == answer["detail"]
    assert rejected.remote == "203.0.113.9"
    assert ingress.publisher.received == []


async def test_get_is_405_and_says_so():
    status, headers, answer = await Ingress(source("shop")).call("GET", "/in/shop")
    assert (status, headers["allow"]) == (405, "POST")
    assert "POST" in answer["detail"]


async def test_the_head_of_a_refused_body_is_kept_without_credentials():
    ingress = Ingress(source("shop"))
    headers = {"x-shopify-hmac-sha256": "bad", "authorization": "Bearer hush", "x-other": "kept"}
    await ingress.call("POST", "/in/shop", b"z" * 50_000, headers)
    [rejected] = ingress.publisher.rejected
    assert (rejected.size, len(rejected.body), rejected.tenant, rejected.provider) == (50_000, 16_384, "acme", "shopify")
    assert rejected.headers == {"x-shopify-hmac-sha256": "bad", "authorization": "[redacted]", "x-other": "kept"}


async def test_a_body_beyond_the_cap_is_cut_off_while_it_streams():
    ingress = Ingress(source("shop"), body_cap=1000)
    status, _, answer = await ingress.call("POST", "/in/shop", [b"a" * 400] * 5)
    assert (status, answer["code"]) == (413, "body_too_large")
    assert (await ingress.call("POST", "/in/shop", [b"a" * 400, b"b" * 600]))[0] == 401  # exactly the cap is read
    assert "HUB_BODY_CAP" in answer["detail"]


async def test_a_sender_that_goes_away_is_no_crash():
    ingress = Ingress(source("shop"))
    status, _, answer = await ingress.call("POST", "/in/shop", [b"half", None])
    assert (status, answer["code"]) == (400, "body_incomplete")
    assert ingress.publisher.rejected[0].body == b"half"


async def test_bodies_are_given_back_whatever_happens():
    async def stream(*chunks, gone=False):
        messages = [{"type": "http.request", "body": c, "more_body": gone or i < len(chunks) - 1} for i, c in enumerate(chunks)]
        messages += [{"type": "http.disconnect"}]

        async def receive():
            return messages.pop(0)

        return await bodies.read(receive, None)

    bodies = Bodies(100, hold_max=150)
    first = await stream(b"x" * 60, b"y" * 40)
    assert bodies.held == 100
    for failing in (stream(b"z" * 60), stream(b"z" * 101), stream(b"z" * 50, b"z" * 51), stream(b"z" * 10, gone=True)):
        with pytest.raises(Exception, match=r"waiting for Kafka|larger than|went away"):
            await failing
        assert bodies.held == 100
    bodies.release(len(first))
    assert bodies.held == 0


async def test_a_source_created_a_moment_ago_works_and_asking_for_it_is_bounded():
    ingress = Ingress()
    ingress.sources.late = {"new": source("new")}
    assert (await ingress.hook("new"))[0] == 200
    for n in range(50):
        await ingress.hook(f"scan{n}")
    assert ingress.sources.caught_up == 3
    ingress.clock.advance(1)
    await ingress.hook("scan")
    assert ingress.sources.caught_up == 4


async def test_a_changed_source_counts_at_once():
    ingress = Ingress(source("shop"))
    assert (await ingress.hook())[0] == 200
    ingress.sources.put(source("shop", secret="new"))
    assert (await ingress.hook())[0] == 401
    assert (await ingress.hook(secret="new"))[0] == 200
    ingress.sources.put(source("shop", secret="new", enabled=False))
    assert (await ingress.hook(secret="new"))[0] == 403


async def test_an_allowlist_is_about_the_peer_not_about_what_it_says():
    ingress = Ingress(source("shop", ip_allowlist=["192.0.2.0/24", "2001:db8::/32"]))
    headers, body = sample("shopify", "orders/create", secret="topsecret", now_ms=0)
    said = headers | {"x-forwarded-for": "192.0.2.1"}
    peers = {"192.0.2.77": 200, "::ffff:192.0.2.77": 200, "2001:db8::5": 200, "203.0.113.9": 403, "2001:db9::5": 403}
    for peer, status in peers.items():
        assert (await ingress.call("POST", "/in/shop", body, said, peer))[0] == status, peer


async def test_rejections_are_bounded_by_source_and_in_total_and_counted():
    ingress = Ingress(*(source(f"s{n}") for n in range(6)))
    for _ in range(60):
        await ingress.call("POST", "/in/s0")
    assert len(ingress.publisher.rejected) == 50
    for n in range(1, 6):
        for _ in range(60):
            await ingress.call("POST", f"/in/s{n}")
    assert len(ingress.publisher.rejected) == 200
    ingress.clock.advance(1)
    for _ in range(60):
        await ingress.call("POST", "/in/s0")
    assert len(ingress.publisher.rejected) == 205
    before = await metric(ingress, "hub_rejected_unkept_total", 'why="queue"')
    ingress.publisher.full = True
    ingress.clock.advance(10)
    assert (await ingress.call("POST", "/in/s1"))[0] == 401
    assert await metric(ingress, "hub_rejected_unkept_total", 'why="queue"') == before + 1


async def test_unknown_names_share_one_bound():
    ingress = Ingress()
    for n in range(80):
        await ingress.call("POST", f"/in/guess{n}")
    assert len(ingress.publisher.rejected) == 50


async def test_woocommerce_ping_is_answered_counted_and_not_published():
    ingress = Ingress(source("woo", "woocommerce"))
    before = await metric(ingress, "hub_handshakes_total", 'kind="ping"')
    assert (await ingress.call("POST", "/in/woo", b"webhook_id=11"))[0] == 200
    assert ingress.publisher.sent == []
    assert await metric(ingress, "hub_handshakes_total", 'kind="ping"') == before + 1


async def test_every_request_is_counted_once_with_what_became_of_it():
    ingress = Ingress(source("shop"))
    names = ("hub_received_total", "hub_verified_total", "hub_rejected_total")
    before = [await metric(ingress, n, 'provider="shopify"') for n in names]
    await ingress.hook()
    await ingress.hook(secret="wrong")
    await ingress.hook()
    after = [await metric(ingress, n, 'provider="shopify"') for n in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [3, 2, 1]


async def metric(ingress: Ingress, name: str, label: str) -> float:
    _, _, text = await ingress.call("GET", "/metrics")
    return sum(float(line.split()[-1]) for line in text.decode().splitlines() if line.startswith(name + "{") and label in line)


async def test_operations_pages():
    ingress = Ingress()
    assert (await ingress.call("GET", "/healthz"))[2] == {"process": "ingress", "alive": True}


async def test_an_unknown_path_is_a_problem_too():
    status, _, answer = await Ingress().call("POST", "/out")
    assert (status, answer["code"]) == (404, "not_here")


# --- /v1/events


async def post(ingress: Ingress, path: str, content: object, **headers: str):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await ingress.call("POST", path, body, {**KEY, **{k.replace("_", "-"): v for k, v in headers.items()}})


async def test_an_own_event_is_kept_and_its_ids_are_known():
    ingress = Ingress()
    body = b'{"type": "loyalty.points_earned", "key": "c-7", "tenant": "acme", "occurred_at": "2026-11-23T10:00:00+01:00", "data": {"points":  5, "n": 1e400}}'
    status, _, answer = await post(ingress, "/v1/events", body, idempotency_key="k-1")
    [record] = ingress.publisher.received
    received = ids.received_id("acme", "api", "loyalty.points_earned", "k-1")
    assert (status, answer) == (202, {"id": ids.event_id(received, "loyalty.points_earned", "c-7"), "received_id": received})
    assert record.body == b'{"points":  5, "n": 1e400}'  # as it was sent
    assert (record.provider, record.source, record.topic, record.object_id) == (
        "hookstream",
        "api",
        "loyalty.points_earned",
        "c-7",
    )
    assert (record.tenant, record.verified_by, record.provider_id) == ("acme", "key", "k-1")
    assert record.headers == {"x-hookstream-occurred-at": "1795424400000"}
    assert ingress.publisher.sent[0][1] == "acme/api/c-7"


async def test_an_idempotency_key_gives_the_same_ids_and_none_gives_others():
    ingress = Ingress()
    event = {"type": "a.b", "data": {}}
    same = [(await post(ingress, "/v1/events", event, idempotency_key="k"))[2] for _ in range(2)]
    other = [(await post(ingress, "/v1/events", event))[2] for _ in range(2)]
    assert same[0] == same[1]
    assert other[0] != other[1]
    assert ingress.publisher.received[0].tenant == "default"


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"data": {}}, "type"),
        ({"type": "Order.Created", "data": {}}, "type"),
        ({"type": "a..b", "data": {}}, "type"),
        ({"type": "a" * 129, "data": {}}, "type"),
        ({"type": 7, "data": {}}, "type"),
        ({"type": "endpoint.failing", "data": {}}, "type"),
        ({"type": "delivery.exhausted", "data": {}}, "type"),
        ({"type": ["endpoint.failing"], "data": {}}, "type"),
        ({"type": "a.b"}, "data"),
        ({"type": "a.b", "data": [1]}, "data"),
        ({"type": "a.b", "data": None}, "data"),
        ({"type": "a.b", "data": {}, "key": ""}, "key"),
        ({"type": "a.b", "data": {}, "key": "x\n"}, "key"),
        ({"type": "a.b", "data": {}, "tenant": "a/b"}, "tenant"),
        ({"type": "a.b", "data": {}, "occurred_at": "yesterday"}, "occurred_at"),
        ({"type": "a.b", "data": {}, "occurred_at": "2026-11-23T10:00:00"}, "occurred_at"),
        ({"type": "a.b", "data": {}, "idempotency_key": ""}, "idempotency_key"),
        ({"type": "a.b", "data": {}, "colour": "red"}, "colour"),
        ([], "body"),
    ],
)
async def test_a_bad_event_names_its_field_alone_and_in_a_batch(event, field):
    ingress = Ingress()
    status, _, answer = await post(ingress, "/v1/events", event)
    assert (status, [e["field"] for e in answer["errors"]]) == (422, [field])
    batch = {"events": [{"type": "a.b", "data": {}}, event]}
    status, _, answer = await post(ingress, "/v1/events/batch", batch)
    where = "events[1]" if field == "body" else f"events[1].{field}"
    assert (status, [e["field"] for e in answer["errors"]]) == (422, [where])
    assert ingress.publisher.sent == []  # all or nothing


NO_JSON = (b"", b"{", b"\xff", b'{"type":"a.b","data":{"x":"\xff"}}', b'{"type":"a.b","data":{"x":' + b"[" * 100_000)


@pytest.mark.parametrize("number", range(len(NO_JSON)))
async def test_what_is_no_json_is_400(number):
    status, _, answer = await post(Ingress(), "/v1/events", NO_JSON[number])
    assert (status, answer["errors"][0]["field"]) == (400, "body")


async def test_a_batch_answers_ids_in_order():
    ingress = Ingress()
    events = [{"type": "a.b", "data": {"n": n}, "idempotency_key": f"k{n}"} for n in range(1000)]
    status, _, answer = await post(ingress, "/v1/events/batch", {"events": events})
    assert status == 202
    assert [e["received_id"] for e in answer["events"]] == [r.id for r in ingress.publisher.received]
    assert [json.loads(r.body)["n"] for r in ingress.publisher.received] == list(range(1000))


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_1_to_1000_events(count):
    status, _, answer = await post(Ingress(), "/v1/events/batch", {"events": [{"type": "a", "data": {}}] * count})
    assert (status, answer["errors"][0]["field"]) == (422, "events")


async def test_a_batch_that_kafka_does_not_take_is_503():
    ingress = Ingress()
    ingress.publisher.error = "away"
    status, headers, _ = await post(ingress, "/v1/events/batch", {"events": [{"type": "a", "data": {}}] * 3})
    assert (status, headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    "given", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic adm1n"}, {"authorization": "Bearer "}]
)
async def test_events_need_the_key(given):
    headers = {"content-type": "application/json", **given}
    status, got, _ = await Ingress().call("POST", "/v1/events", b'{"type":"a","data":{}}', headers)
    assert status == 401
    assert got["www-authenticate"].startswith("Bearer")


async def test_without_a_key_of_its_own_the_hub_takes_none():
    status, _, answer = await Ingress(admin_key=None).call("POST", "/v1/events", b"{}", {"authorization": "Bearer None"})
    assert (status, "HUB_ADMIN_KEY" in answer["detail"]) == (401, True)


async def test_events_must_be_json_by_their_type():
    status, _, answer = await post(Ingress(), "/v1/events", {"type": "a", "data": {}}, content_type="text/plain")
    assert (status, answer["code"]) == (415, "unsupported_content")
