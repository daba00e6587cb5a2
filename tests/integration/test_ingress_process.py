"""The ingress as a process of its own, over real Kafka and real sockets."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from hub.samples import sample
from schemas import ids, topics
from schemas.records import SecretValue, SourceConfig
from tests.lab import Lab

pytestmark = pytest.mark.integration
KEY = {"authorization": "Bearer adm1n", "content-type": "application/json"}


class Running:
    """A started ingress; `post` talks to it over a connection of its own."""

    def __init__(self, child: subprocess.Popen[bytes], log) -> None:
        self.child, self._log = child, log
        self.port = self._port()

    def _port(self) -> int:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for line in self.log().splitlines():
                if '"listening"' in line:
                    return int(json.loads(line)["port"])
            assert self.child.poll() is None, self.log()
            time.sleep(0.05)
        raise AssertionError(f"no ingress within 30 s:\n{self.log()}")

    def log(self) -> str:
        return self._log.read_text()

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, dict(answer.getheaders()), json.loads(text) if text[:1] == b"{" else text
        finally:
            connection.close()

    def hook(self, source: str, secret: str = "topsecret", **values: object):
        headers, body = sample("shopify", "orders/create", secret=secret, now_ms=time.time_ns() // 1_000_000, **values)
        return self.request("POST", f"/in/{source}", body, headers), body


@contextmanager
def ingress(lab: Lab, **environment: str):
    log = lab.settings.home / f"ingress-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "ingress"],
            env=lab.environment() | {"HUB_ADMIN_KEY": "adm1n", **environment},
            stderr=out,
            stdout=out,
        )
    try:
        yield Running(child, log)
    finally:
        child.kill()
        child.wait()


def put_source(lab: Lab, source_id: str, **fields: object) -> None:
    secret = SecretValue(id="s1", ciphertext=lab.process.box.encrypt("topsecret"), created_at=0)
    values = {
        "tenant": "acme", "provider": "shopify", "description": "", "secrets": [secret], "ip_allowlist": [], "options": {},
        "enabled": True, "created_at": 0, "updated_at": 0,
    }  # fmt: skip
    lab.write(topics.SOURCES, source_id, SourceConfig(id=source_id, **{**values, **fields}))
    lab.flush()


@pytest.fixture(scope="module")
def lab(bootstrap, registry_url, tmp_path_factory):
    lab = Lab(bootstrap, tmp_path_factory.mktemp("ingress"), registry_url)
    put_source(lab, "shop")
    put_source(lab, "far", ip_allowlist=["10.0.0.0/8"])
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def running(lab):
    with ingress(lab, HUB_BODY_CAP="100000") as running:
        yield running


def received(lab: Lab, record_id: str, timeout_s: float = 10):
    """The record with that id: acknowledged before the answer, so there is nothing to wait for but the read."""
    found = [r for r in lab.read(topics.RECEIVED, timeout=timeout_s) if r.id == record_id]
    assert found, f"{record_id} was answered 2xx and is not in webhooks.received"
    return found


def test_a_webhook_is_on_kafka_byte_for_byte_when_it_is_answered(lab, running):
    (status, _, answer), body = running.hook("shop", delivery_id="d-1", order_id=42)
    [record] = received(lab, answer["id"])
    assert status == 200
    assert record.body == body
    assert (record.id, record.object_id) == (ids.received_id("acme", "shop", "orders/create", "d-1"), "42")
    assert (record.tenant, record.topic, record.verified_by) == ("acme", "orders/create", "s1")


def test_refusals_are_answered_and_end_in_the_rejected_topic(lab, running):
    assert running.hook("shop", secret="wrong")[0][0] == 401
    assert running.hook("nobody")[0][0] == 404
    assert running.hook("far")[0][0] == 403
    assert running.request("GET", "/in/shop")[0] == 405
    assert running.request("POST", "/in/shop", b"x" * 100_001)[0] == 413
    wanted = {"signature_mismatch", "unknown_source", "address_refused", "method_not_allowed", "body_too_large"}
    reasons = [r.reason for r in lab.read(topics.REJECTED, count=5)]
    assert set(reasons) >= wanted


def test_a_source_created_a_moment_ago_works_at_once(lab, running):
    for n in range(3):
        put_source(lab, f"new{n}")
        assert running.hook(f"new{n}")[0][0] == 200


def test_own_events(lab, running):
    event = b'{"type":"loyalty.points_earned","key":"c-7","data":{"points": 5}}'
    answers = [running.request("POST", "/v1/events", event, KEY | {"Idempotency-Key": "k-1"}) for _ in range(2)]
    assert [status for status, _, _ in answers] == [202, 202]
    assert answers[0][2] == answers[1][2]
    records = received(lab, answers[0][2]["received_id"])
    assert [r.body for r in records] == [b'{"points": 5}'] * 2
    batch = json.dumps({"events": [{"type": "a.b", "data": {"n": n}} for n in range(500)]}).encode()
    status, _, answer = running.request("POST", "/v1/events/batch", batch, KEY)
    kept = {r.id for r in lab.read(topics.RECEIVED)}
    assert status == 202
    assert {e["received_id"] for e in answer["events"]} <= kept
    assert running.request("POST", "/v1/events", event, {"content-type": "application/json"})[0] == 401


def test_operations_pages(running):
    assert running.request("GET", "/healthz")[0] == 200
    status, _, answer = running.request("GET", "/readyz")
    assert (status, answer["components"]) == (200, {"sources": "ok", "kafka": "ok"})
    assert b"hub_received_total" in running.request("GET", "/metrics")[2]


def test_sigterm_finishes_what_is_under_way_and_exits_0(lab):
    with ingress(lab) as own:
        kept = [own.hook("shop")[0][2]["id"] for _ in range(20)]
        headers, body = sample("shopify", "orders/create", secret="topsecret", now_ms=time.time_ns() // 1_000_000)
        with socket.create_connection(("127.0.0.1", own.port), timeout=10) as half:
            head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
            half.sendall(f"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body[:50])
            time.sleep(0.2)
            started = time.monotonic()
            own.child.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            half.sendall(body[50:])
            answer = b"".join(iter(lambda: half.recv(1000), b""))
        assert own.child.wait(10) == 0, own.log()
        assert time.monotonic() - started < 10
    assert answer.startswith(b"HTTP/1.1 200")
    kept.append(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])
    assert set(kept) <= {r.id for r in lab.read(topics.RECEIVED)}


def test_a_taken_port_is_one_clear_line(lab):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "ingress"], env=lab.environment() | {"HUB_INGRESS_PORT": port}, capture_output=True, text=True, timeout=30, check=False
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"ingress: cannot listen on 127.0.0.1:{port} (Address already in use): set HUB_INGRESS_PORT"
    ]
