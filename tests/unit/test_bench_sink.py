"""The sink counts every delivery once, notices the second, and knows when it was sent."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.bench.client import Pool
from tests.bench.sink import Bucket, Sink, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.enable_socket


class Running:
    """A sink with a client to it."""

    def __init__(self, sink: Sink, pool: Pool, port: int) -> None:
        self.sink, self.pool, self.port = sink, pool, port

    async def post(self, path: str, body: bytes) -> int:
        request = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)
        return (await self.pool.request(request))[0]

    async def get(self, path: str) -> bytes:
        return (await self.pool.request(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()))[1]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    sink = Sink(slow_s=0.2)
    server = await serve(sink, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = Pool("127.0.0.1", port)
    yield Running(sink, pool, port)
    pool.close()
    server.close()


def body(order_no: int, sent_at: int | None = None) -> bytes:
    return json.dumps({"data": {"note": f"sent_at={sent_at or time.time_ns()} order_no={order_no}"}}).encode()


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_distinct_messages_and_duplicates(running: Running) -> None:
    for number in (1, 2, 3, 2):
        assert await running.post("/hook/t/a", body(number)) == 200
    await running.post("/hook/t/b", body(1))
    stats = json.loads(await running.get("/stats?key=t"))
    assert set(stats) == {"t/a", "t/b"}
    first = stats["t/a"]
    assert (first["count"], first["distinct"], first["dups"], first["conns"]) == (4, 3, 1, 1)
    assert 0 < first["p50_ms"] <= first["max_ms"] < 5000
    assert first["last_new_ns"] < first["last_ns"]


async def test_keys_are_chosen_exactly_or_by_folder_and_forgotten(running: Running) -> None:
    for key in ("t1/a", "t10/a"):
        await running.post(f"/hook/{key}", body(1))
    assert set(json.loads(await running.get("/stats?key=t1&full=0"))) == {"t1/a"}
    await running.get("/reset")
    assert json.loads(await running.get("/stats")) == {}


async def test_slow_answers_late_and_counts_those_in_flight(running: Running) -> None:
    begun = time.monotonic()
    assert await asyncio.gather(*(running.post("/slow/z", body(n)) for n in range(3))) == [200] * 3
    assert time.monotonic() - begun >= 0.2
    stats = json.loads(await running.get("/stats"))["z"]
    assert (stats["started"], stats["max_inflight"], stats["distinct"]) == (3, 3, 3)
    assert stats["max_ms"] < 200  # measured at arrival, not at the answer


async def test_a_sender_that_gives_up_leaves_nothing_in_flight(running: Running) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(b"POST /slow/z HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    await until(lambda: running.sink.bucket(b"z").in_flight == 1)
    writer.transport.abort()
    await until(lambda: running.sink.bucket(b"z").in_flight == 0)


async def test_a_body_in_chunks_is_read_whole(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(b"POST /hook/c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"sent_at=1 ", b"order_no=77"):
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    assert running.sink.bucket(b"c").seen == {77}


async def test_what_is_no_http_gets_a_400(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(b"hello\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()


@pytest.mark.parametrize(
    "text",
    [
        b'{"sent_at":5,"order_no":7}',
        b'{"order_no": 7, "sent_at": 5}',
        rb"{\"sent_at\":\"5\",\"order_no\": 7}",
        b"sent_at=5 order_no=7",
    ],
)
def test_the_stamp_is_found_however_it_is_written(text: bytes) -> None:
    bucket = Bucket()
    bucket.record(text, 9, 1)
    assert (bucket.latencies, bucket.seen) == ([4], {7})


def test_a_body_without_a_stamp_is_counted_as_such() -> None:
    bucket = Bucket()
    bucket.record(b"{}", 9, 1)
    assert bucket.stats(full=True) | {"no_stamp": 1, "count": 1, "distinct": 0} == bucket.stats(full=True)
