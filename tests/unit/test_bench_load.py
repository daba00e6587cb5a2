"""The load generator sends what it says, at the pace it says, and counts every answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

import pytest

from tests.bench.client import NO_ANSWER, Pool
from tests.bench.load import Plan, quantile_ms, run
from tests.bench.receiver import FAILED, OK, Receiver
from tests.bench.template import SHOPIFY_ORDER, Template, uuids

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.enable_socket


class Recorder(Receiver):
    """Keeps every request; answers as told."""

    def __init__(self, seen: list[Recorder], respond: Callable[[Recorder], None]) -> None:
        super().__init__()
        self.seen, self._respond = seen, respond
        self.requests: list[tuple[dict[str, str], bytes, float]] = []
        self._headers: dict[str, str] = {}
        seen.append(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def received(self, path: bytes, body: bytes) -> None:
        self.requests.append((self._headers, body, asyncio.get_running_loop().time()))
        self._headers = {}
        self._respond(self)


class Server:
    """A server on loopback whose answers a test chooses."""

    def __init__(self) -> None:
        self.connections: list[Recorder] = []
        self.respond: Callable[[Recorder], None] = lambda connection: connection.transport.write(OK)
        self.url = ""

    @property
    def requests(self) -> list[tuple[dict[str, str], bytes, float]]:
        return [request for connection in self.connections for request in connection.requests]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Recorder(made.connections, made.respond), "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/in/shop?x=1"
    yield made
    listening.close()


async def test_every_request_is_signed_and_has_an_id_of_its_own(server: Server) -> None:
    plan = Plan(url=server.url, template=SHOPIFY_ORDER.encode(), n=50, c=4, start=100, headers=(("X-Id", "a{{UUID}}b"),),
                sign=("X-Shopify-Hmac-Sha256", "s3cret"))  # fmt: skip
    figures = await run(plan)
    assert (figures["ok"], figures["codes"]) == (50, {"200": 50})
    assert len(server.connections) == 4
    orders = set()
    for headers, body, _ in server.requests:
        mac = hmac.new(b"s3cret", body, hashlib.sha256).digest()
        assert headers["x-shopify-hmac-sha256"] == base64.b64encode(mac).decode()
        order = json.loads(body)
        orders.add(order["id"])
        assert order["note"].endswith(f"order_no={order['id']}")
    assert orders == set(range(100, 150))
    assert len({headers["x-id"] for headers, _, _ in server.requests}) == 50
    assert 900 < figures["body_bytes"] < 1200


async def test_refusals_and_broken_answers_are_counted_not_hidden(server: Server) -> None:
    answers = iter([OK, FAILED, b"HTTP/1.1 what\r\n\r\n", OK])
    server.respond = lambda connection: connection.transport.write(next(answers))
    figures = await run(Plan(url=server.url, template=b"{}", n=4, c=1))
    assert figures["codes"] == {"-1": 1, "200": 2, "500": 1}
    assert figures["ok"] == 2
    assert figures["first_error"] == "500 failed"


async def test_a_server_that_hangs_up_costs_one_request_each_time(server: Server) -> None:
    server.respond = lambda connection: connection.transport.abort()
    figures = await run(Plan(url=server.url, template=b"{}", n=3, c=1))
    assert figures["codes"] == {"-1": 3}
    assert "connection lost" in figures["first_error"]


async def test_connection_close_is_honoured(server: Server) -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    server.respond = lambda connection: connection.transport.write(closing)
    figures = await run(Plan(url=server.url, template=b"{}", n=6, c=2))
    assert figures["codes"] == {"200": 6}
    assert len(server.connections) == 6


async def test_nobody_listening_is_an_answer_too() -> None:
    figures = await run(Plan(url="http://127.0.0.1:1/x", template=b"{}", n=5, c=2))
    assert figures["codes"] == {"-1": 5}
    assert "cannot connect" in figures["first_error"]


async def test_an_answer_that_never_comes_is_given_up(server: Server) -> None:
    server.respond = lambda _: None
    pool = Pool("127.0.0.1", int(server.url.split(":")[2].split("/")[0]), timeout_s=0.1)
    status, why = await pool.request(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    pool.close()
    assert status == NO_ANSWER
    assert b"no answer within 0.1 s" in why


async def test_a_rate_is_kept_even_when_answers_are_slow(server: Server) -> None:
    def later(connection: Recorder) -> None:
        asyncio.get_running_loop().call_later(0.3, connection.transport.write, OK)

    server.respond = later
    figures = await run(Plan(url=server.url, template=b"{}", n=40, c=1, rate=200))
    times = sorted(at for _, _, at in server.requests)
    assert figures["ok"] == 40
    assert times[-1] - times[0] == pytest.approx(39 / 200, abs=0.1)


async def test_the_limit_of_connections_is_kept_and_nobody_is_forgotten(server: Server) -> None:
    def later(connection: Recorder) -> None:
        asyncio.get_running_loop().call_later(0.01, connection.transport.write, OK)

    server.respond = later
    pool = Pool("127.0.0.1", int(server.url.split(":")[2].split("/")[0]), limit=3)
    request = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    answers = await asyncio.gather(*(pool.request(request) for _ in range(20)))
    pool.close()
    assert [status for status, _ in answers] == [200] * 20
    assert len(server.connections) == 3


def test_a_template_says_what_it_cannot_fill() -> None:
    with pytest.raises(ValueError, match="SHOE_SIZE"):
        Template(b'{"a":{{SHOE_SIZE}}}', uuids())


def test_ids_differ_within_a_run_and_between_runs() -> None:
    one, other = uuids(), uuids()
    assert len({one(), one(), other(), other()}) == 4


@pytest.mark.parametrize(("q", "ms"), [(0.5, 3.0), (0.99, 4.0), (1, 4.0), (0, 1.0)])
def test_quantiles_are_nearest_ranks(q: float, ms: float) -> None:
    assert quantile_ms([1_000_000, 2_000_000, 3_000_000, 4_000_000], q) == ms


def test_quantile_of_nothing() -> None:
    assert quantile_ms([], 0.5) == 0.0
