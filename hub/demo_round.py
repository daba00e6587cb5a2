"""A round of signed orders: sent at a steady rate, matched with what arrives, timed from end to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import httpx
from rich.console import Group
from rich.table import Table

from hub import samples
from hub.errors import HubError

if TYPE_CHECKING:
    from hub.listener import Arrival

EVENT: Final = "order.created"
PATIENCE_S: Final = 30.0
SHOWN: Final = 8


class Tally:
    """What was sent, what the hub accepted, what arrived; latency runs from the first byte sent to the arrival."""

    def __init__(self) -> None:
        self.accepted = 0
        self.refused: list[str] = []
        self.first_ms: float | None = None
        self.latencies_ms: list[float] = []
        self._sent: dict[str, int] = {}
        self._arrived: set[str] = set()
        self._recent: deque[tuple[str, str, str, str]] = deque(maxlen=SHOWN)
        self._settled = asyncio.Event()

    def sent(self, order: str, at_ns: int) -> None:
        """An order is about to go."""
        self._sent[order] = at_ns
        self._settled.clear()

    def accept(self) -> None:
        """The ingress answered 2xx."""
        self.accepted += 1
        self._settle()

    def take(self, arrival: Arrival) -> None:
        """A delivery came in."""
        if arrival.refused is not None:
            self.refused.append(arrival.refused)
            return
        event = json.loads(arrival.body)
        order = str(event["data"]["id"])
        if order in self._arrived or order not in self._sent:
            return  # at least once: a second copy, or one of a round before
        self._arrived.add(order)
        took_ms = (arrival.at_ns - self._sent[order]) / 1e6
        if self.first_ms is None:
            self.first_ms = took_ms
        else:
            self.latencies_ms.append(took_ms)
        self._settle()
        self._recent.append((event["data"]["number"] or order, event["type"], arrival.headers["webhook-id"], f"{took_ms:.0f} ms"))

    @property
    def complete(self) -> bool:
        """Whether all that was sent was accepted and has arrived, genuine."""
        return len(self._sent) == self.accepted == len(self._arrived) and not self.refused

    @property
    def trouble(self) -> str:
        """What to look at when it is not complete."""
        return f"(a signature was refused: {self.refused[0]})" if self.refused else "(the dashboard shows where each one is)"

    async def settled(self, within_s: float) -> bool:
        """Wait until all is complete; whether it is."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), within_s)
        return self.complete

    def _settle(self) -> None:
        if self.complete:
            self._settled.set()

    def percentile(self, share: float) -> float:
        """The latency that this share of arrivals does not exceed, in ms."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")

    def summary(self) -> str:
        """Totals in two short lines; the first order, which finds everything cold, is told apart."""
        signatures = f"{len(self.refused)} with a wrong signature" if self.refused else "every signature valid"
        counts = f"{self.accepted} of {len(self._sent)} orders received, {len(self._arrived)} delivered, {signatures}"
        first = "" if self.first_ms is None else f"latency: first {self.first_ms:.0f} ms"
        rest = f", then p50 {self.percentile(0.5):.0f} ms, p99 {self.percentile(0.99):.0f} ms" if self.latencies_ms else ""
        return f"{counts}\n{first}{rest}"

    def picture(self) -> Group:
        """The latest arrivals and the totals."""
        shown = Table("order", "event", "webhook-id", "after", box=None, pad_edge=False)
        for row in self._recent:
            shown.add_row(*row)
        return Group(shown, "", self.summary())


class Round:
    """Posts orders to a source as Shopify would."""

    def __init__(self, url: str, secret: str, tally: Tally) -> None:
        self.url = url
        self._secret = secret
        self._tally = tally
        self._next = time.time_ns() // 1_000_000_000 * 1000  # order ids of this round and of no other

    async def run(self, count: int, per_s: float) -> bool:
        """Send one alone if nothing was sent yet, then `count`, and wait for the last; whether all arrived. Raises HubError when the ingress is away or refuses."""
        async with httpx.AsyncClient(timeout=15.0) as client:
            if self._tally.first_ms is None:
                await self._send(client)
                await self._tally.settled(PATIENCE_S)
            began = time.monotonic()
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
                await self._send(client)
        return await self._tally.settled(PATIENCE_S)

    async def _send(self, client: httpx.AsyncClient) -> None:
        self._next += 1
        at_ns = time.time_ns()
        headers, body = samples.sample(
            "shopify", "orders/create", secret=self._secret, now_ms=at_ns // 1_000_000, order_id=self._next
        )
        self._tally.sent(str(self._next), time.time_ns())
        try:
            answer = await client.post(self.url, content=body, headers=headers)
        except httpx.TransportError as e:
            raise HubError(f"The ingress at {self.url} does not answer ({type(e).__name__}).") from e
        if not answer.is_success:
            raise HubError(f"The ingress refused a signed order: {answer.status_code} {answer.text[:200]}")
        self._tally.accept()
