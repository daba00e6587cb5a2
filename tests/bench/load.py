"""The load generator, a process of its own: posts a template N times and prints one JSON line.

`-c` connections in a closed loop, or `-rate` requests a second at scheduled times. Options and answer are those of a
load generator in Go, so that either can be used.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hmac
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from tests.bench.client import Head, Pool
from tests.bench.template import Template, uuids

_PENDING_AT_A_RATE = 1000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to send. `rate` 0 is the closed loop; `sign` is (header, secret) as Shopify signs."""

    url: str
    template: bytes
    n: int
    c: int = 32
    rate: float = 0.0
    start: int = 1
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    sign: tuple[str, str] | None = None
    timeout_s: float = 60.0


@dataclass
class Tally:
    """What came of it."""

    codes: Counter[int] = field(default_factory=Counter)
    accepted_ns: list[int] = field(default_factory=list)
    bytes_out: int = 0
    late_ns: int = 0
    first_error: str | None = None

    def add(self, status: int, answer: bytes, took_ns: int) -> None:
        self.codes[status] += 1
        if 200 <= status < 300:
            self.accepted_ns.append(took_ns)
        elif self.first_error is None:
            self.first_error = f"{status} {answer[:400].decode(errors='replace')}"

    def summary(self, plan: Plan, t0_ns: int, seconds: float) -> dict[str, Any]:
        ok, ordered = len(self.accepted_ns), sorted(self.accepted_ns)
        result: dict[str, Any] = {
            "n": plan.n, "ok": ok, "codes": {str(k): v for k, v in sorted(self.codes.items())},
            "seconds": seconds, "rate": ok / seconds, "t0_ns": t0_ns, "body_bytes": self.bytes_out // max(1, plan.n),
            "p50_ms": quantile_ms(ordered, 0.5), "p99_ms": quantile_ms(ordered, 0.99), "max_ms": quantile_ms(ordered, 1),
            "late_max_ms": self.late_ns / 1e6, "cpu_s": time.process_time(),
        }  # fmt: skip
        return result | ({"first_error": self.first_error} if self.first_error else {})


def quantile_ms(ordered_ns: list[int], q: float) -> float:
    """Nearest rank of sorted nanoseconds, in milliseconds; 0 of nothing."""
    return ordered_ns[min(len(ordered_ns) - 1, int(q * len(ordered_ns)))] / 1e6 if ordered_ns else 0.0


class Load:
    """One run of a plan."""

    def __init__(self, plan: Plan, pool: Pool) -> None:
        where = urlsplit(plan.url)
        self._plan, self._pool, self.tally = plan, pool, Tally()
        ids = uuids()
        self._template = Template(plan.template, ids)
        path = (where.path or "/") + (f"?{where.query}" if where.query else "")
        headers = [("Content-Type", "application/json"), *plan.headers]
        self._head = Head(plan.method, path, where.netloc, headers, ids)
        self._header, self._secret = (plan.sign[0].encode(), plan.sign[1].encode()) if plan.sign else (b"", b"")
        self._loop = asyncio.get_running_loop()
        self._sent = self._answered = 0
        self._t0 = 0.0
        self._over = asyncio.Event()

    async def run(self) -> dict[str, Any]:
        t0_ns, self._t0 = time.time_ns(), self._loop.time()
        if self._plan.rate:
            self._tick()
        else:
            for _ in range(min(self._plan.c, self._plan.n)):
                self._send()
        await self._over.wait()
        return self.tally.summary(self._plan, t0_ns, self._loop.time() - self._t0)

    def _tick(self) -> None:
        """Send all that is due, then sleep until the next is."""
        elapsed = self._loop.time() - self._t0
        while self._sent < self._plan.n and (due := self._sent / self._plan.rate) <= elapsed:
            self.tally.late_ns = max(self.tally.late_ns, int((elapsed - due) * 1e9))
            self._send()
        if self._sent < self._plan.n:
            self._loop.call_at(self._t0 + self._sent / self._plan.rate, self._tick)

    def _send(self) -> None:
        order_no = self._plan.start + self._sent
        self._sent += 1
        at = time.time_ns()
        body = self._template.fill(sent_at=at, order_no=order_no)
        self.tally.bytes_out += len(body)
        signature = b""
        if self._secret:
            signature = b"%b: %b\r\n" % (self._header, base64.b64encode(hmac.digest(self._secret, body, "sha256")))
        self._pool.submit(self._head.build(body, signature), lambda status, answer: self._done(at, status, answer))

    def _done(self, at: int, status: int, answer: bytes) -> None:
        self.tally.add(status, answer, time.time_ns() - at)
        self._answered += 1
        if self._answered == self._plan.n:
            self._over.set()
        elif not self._plan.rate and self._sent < self._plan.n:
            self._send()


async def run(plan: Plan) -> dict[str, Any]:
    """Send it all; the figures."""
    where = urlsplit(plan.url)
    pool = Pool(
        where.hostname or "127.0.0.1",
        where.port or 80,
        timeout_s=plan.timeout_s,
        limit=_PENDING_AT_A_RATE if plan.rate else plan.c,
    )
    try:
        return await Load(plan, pool).run()
    finally:
        pool.close()


def _pair(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} has no colon: write name:value")
    return name.strip(), value.strip()


def main() -> None:
    """`python -m tests.bench.load -url … -template FILE -n 20000 -c 32`."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__)
    parser.add_argument("-url", required=True)
    parser.add_argument("-template", required=True, type=Path, help="body; {{SENT_AT}}, {{ORDER_NO}}, {{UUID}} are filled in")
    parser.add_argument("-method", default="POST")
    parser.add_argument("-n", type=int, default=1000, help="requests")
    parser.add_argument("-c", type=int, default=32, help="connections of the closed loop")
    parser.add_argument("-rate", type=float, default=0.0, help="requests a second; 0: closed loop")
    parser.add_argument("-start", type=int, default=1, help="first order_no")
    parser.add_argument("-H", dest="headers", type=_pair, action="append", default=[], help="name: value")
    parser.add_argument("-sign", type=_pair, help="header:secret, base64 HMAC-SHA256 of the body")
    options = vars(parser.parse_args())
    plan = Plan(**options | {"template": options["template"].read_bytes(), "headers": tuple(options["headers"])})
    print(json.dumps(uvloop.run(run(plan))))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
