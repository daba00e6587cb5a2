"""The receiver of the bench, a process of its own: counts deliveries per path and times them from `sent_at` in the body.

POST /hook/<key> is answered at once, POST /slow/<key> after 20 s; GET /stats[?key=…][&full=0] and GET /reset serve the
bench. `order_no` tells one message from another, wherever in the body it stands: `"order_no":7` or `order_no=7`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import uvloop

from tests.bench.load import quantile_ms
from tests.bench.receiver import OK, Receiver, answer_json

if TYPE_CHECKING:
    from collections.abc import Callable

_CONNECTIONS: Final = itertools.count()
_STAMP: Final = re.compile(rb'(sent_at|order_no)["\\ :=]*(\d+)')


@dataclass
class Bucket:
    """Deliveries of one path."""

    latencies: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    connections: set[int] = field(default_factory=set)
    dups: int = 0
    no_stamp: int = 0
    started: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    first: int = 0
    last: int = 0
    last_new: int = 0

    def begin(self) -> None:
        self.started += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def record(self, body: bytes, now: int, connection: int) -> None:
        """One delivery that arrived at `now` (ns since the epoch)."""
        stamps = {name: int(digits) for name, digits in _STAMP.findall(body)}
        self.first = self.first or now
        self.last = now
        self.connections.add(connection)
        sent_at, order_no = stamps.get(b"sent_at"), stamps.get(b"order_no")
        if sent_at is None:
            self.no_stamp += 1
        else:
            self.latencies.append(now - sent_at)
        if order_no in self.seen:
            self.dups += 1
        elif order_no is not None:
            self.seen.add(order_no)
            self.last_new = now

    def stats(self, *, full: bool) -> dict[str, Any]:
        """Everything the bench asks for; the quantiles, which cost a sort, only when `full`."""
        ordered = sorted(self.latencies) if full else []
        quantiles = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
        return {
            "count": len(self.latencies) + self.no_stamp, "distinct": len(self.seen), "dups": self.dups,
            "no_stamp": self.no_stamp, "started": self.started, "max_inflight": self.max_in_flight,
            "conns": len(self.connections), "first_ns": self.first, "last_ns": self.last, "last_new_ns": self.last_new,
        } | {name: quantile_ms(ordered, q) for name, q in quantiles.items()}  # fmt: skip


class Sink:
    """All buckets."""

    def __init__(self, slow_s: float = 20.0) -> None:
        self.slow_s = slow_s
        self.buckets: dict[bytes, Bucket] = {}

    def bucket(self, key: bytes) -> Bucket:
        found = self.buckets.get(key)
        if found is None:
            found = self.buckets[key] = Bucket()
        return found

    def serve(self, path: bytes) -> bytes:
        """Answer of /stats and /reset; any other GET is a handshake of a product that probes a URL before it uses it."""
        where = urlsplit(path.decode())
        if where.path == "/reset":
            self.buckets = {}
        if where.path != "/stats":
            return OK
        query = parse_qs(where.query)
        wanted, full = query.get("key", [""])[0], query.get("full", ["1"])[0] != "0"
        found = {k.decode(): b for k, b in self.buckets.items()}
        chosen = {k: b.stats(full=full) for k, b in found.items() if wanted in ("", k) or k.startswith(wanted + "/")}
        return answer_json(json.dumps(chosen).encode())


class SinkConnection(Receiver):
    """One sender's connection."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self._number = next(_CONNECTIONS)
        self._bucket: Bucket | None = None  # of the request under way
        self._finish: Callable[[], None] | None = None  # of a slow one
        self._timer: asyncio.TimerHandle | None = None

    def started(self, path: bytes) -> None:
        kind, _, key = path[1:].partition(b"/")
        self._bucket = self._sink.bucket(key) if kind in (b"hook", b"slow") and self._parser.get_method() == b"POST" else None
        if self._bucket:
            self._bucket.begin()

    def received(self, path: bytes, body: bytes) -> None:
        if self._bucket is None:
            self.respond(self._sink.serve(path))
            return
        bucket, now = self._bucket, time.time_ns()

        def finish() -> None:
            bucket.in_flight -= 1
            bucket.record(body, now, self._number)
            self._bucket = self._finish = self._timer = None
            self.respond(OK)

        if path.startswith(b"/slow/"):
            self._finish = finish
            self._timer = asyncio.get_running_loop().call_later(self._sink.slow_s, finish)
        else:
            finish()

    def lost(self) -> None:
        """A sender that gave up on a slow answer has delivered all the same, as a real receiver would see it."""
        if self._timer and self._finish:
            self._timer.cancel()
            self._finish()
        elif self._bucket:
            self._bucket.in_flight -= 1


async def serve(sink: Sink, host: str, port: int) -> asyncio.Server:
    """Listen; port 0 picks a free one."""
    return await asyncio.get_running_loop().create_server(lambda: SinkConnection(sink), host, port, backlog=1024)


async def _main(host: str, port: int, slow_s: float) -> None:
    server = await serve(Sink(slow_s), host, port)
    await server.serve_forever()


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def main() -> None:
    """`python -m tests.bench.sink -addr 127.0.0.1:39900`."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sink", description=__doc__)
    parser.add_argument("-addr", default="127.0.0.1:39900", help="loopback address to listen on")
    parser.add_argument("-slow", type=_seconds, default=20.0, help="seconds that /slow/ takes to answer")
    options = parser.parse_args()
    host, _, port = options.addr.rpartition(":")
    uvloop.run(_main(host, int(port), options.slow))


if __name__ == "__main__":
    main()
