"""uvicorn as the ingress runs it: hostile senders, a broker that is away, an orderly answer to both."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from hub.samples import sample
from ingress import server
from ingress.__main__ import ACK_S
from ingress.app import create_app
from runtime.clock import SystemClock
from runtime.health import Health
from runtime.kafka import Kafka
from runtime.publisher import Publisher
from runtime.settings import Settings
from tests.lab import fixed_codec
from tests.unit.test_ingress_http import FakePublisher, FakeSources, source

pytestmark = pytest.mark.integration


@pytest.fixture
async def start():
    """start(publisher) serves the ingress on a free port, dropping requests that take 0.5 s; answers the port."""
    ends = []

    async def go(publisher) -> int:
        clock = SystemClock()
        app = create_app(
            settings=Settings(body_cap=100_000), sources=FakeSources(source("shop")), publisher=publisher, codec=fixed_codec(),
            clock=clock, health=Health("ingress", clock),
        )  # fmt: skip
        listener = server.bind("127.0.0.1", 0)
        port = listener.getsockname()[1]
        running = server.make(app)
        tasks = asyncio.create_task(running.serve(sockets=[listener])), asyncio.create_task(running.sweep(0.5, 0.05))
        ends.append((running, tasks))
        while not running.started:  # noqa: ASYNC110 - uvicorn tells by a flag alone
            await asyncio.sleep(0.01)
        return port

    yield go
    for running, (serving, sweeping) in ends:
        running.should_exit = True
        sweeping.cancel()
        await serving


def signed() -> bytes:
    headers, body = sample("shopify", "orders/create", secret="topsecret", now_ms=time.time_ns() // 1_000_000)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body


async def exchange(port: int, *pieces: bytes, pause: float = 0, within: float = 12) -> bytes:
    """What comes back for these bytes, up to the end of the connection or of the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(within):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"content-length"))
            return head + await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError) as e:
        return getattr(e, "partial", b"")
    finally:
        writer.close()


async def test_kafka_away_is_503_with_retry_after_within_10_s(start):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else takes it
        kafka = Kafka(Settings(bootstrap=f"127.0.0.1:{closed.getsockname()[1]}"))
        publisher = Publisher(kafka, delivery_timeout_ms=ACK_S * 1000)
        publisher.start()
        port = await start(publisher)
        started = time.monotonic()
        answers = await asyncio.gather(*(exchange(port, signed()) for _ in range(20)))
        assert time.monotonic() - started < 10
        assert all(a.startswith(b"HTTP/1.1 503") and b"retry-after: 5" in a for a in answers)
        assert b" 503 " in await exchange(port, b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
        await publisher.close(0.1)


async def test_a_request_that_does_not_come_to_its_end_is_dropped(start):
    port = await start(FakePublisher())
    whole = signed()
    started = time.monotonic()
    for so_far in (b"", b"POST /in/shop HT", whole[:200], whole[:-1]):
        assert await exchange(port, so_far) == b""
    assert time.monotonic() - started < 4
    drip = [bytes([b]) for b in whole]
    assert await exchange(port, *drip, pause=0.02) == b""
    assert (await exchange(port, whole[:300], whole[300:], pause=0.1)).startswith(b"HTTP/1.1 200")


async def test_an_idle_connection_may_stay_and_be_used_again(start):
    port = await start(FakePublisher())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(signed())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"}")
        await asyncio.sleep(0.8)  # longer than a request may take
    writer.close()


async def test_an_endless_head_is_cut_off(start):
    port = await start(FakePublisher())
    assert await exchange(port, b"POST /in/shop HTTP/1.1\r\nx: ", *[b"y" * 8192] * 64) == b""
    assert await exchange(port, b"POST /in/shop HTTP/1.1\r\n", *[b"x: y\r\n" * 1000] * 64) == b""
    assert b" 431 " in await exchange(port, b"POST /in/shop HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 200 + b"\r\n")


async def test_a_body_beyond_the_cap_is_answered_413_declared_or_not(start):
    port = await start(FakePublisher())
    head = b"POST /in/shop HTTP/1.1\r\nhost: x\r\n"
    assert b" 413 " in await exchange(port, head + b"content-length: 300000\r\n\r\n", *[b"z" * 10_000] * 30)
    chunk = b"2710\r\n" + b"z" * 10_000 + b"\r\n"
    assert b" 413 " in await exchange(port, head + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 30)


async def test_garbage_breaks_nothing(start):
    port = await start(FakePublisher())
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\r\n" * 50,
        b"GET\r\n\r\n",
        b"POST /in/%ff%00 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    ):
        await exchange(port, garbage, within=3)
    assert (await exchange(port, signed())).startswith(b"HTTP/1.1 200")
