"""What an ordered endpoint saw, in the order it saw it, and whether that was the order of the events. Pure.

The first time an event arrives, whatever is answered, its predecessor must have been taken (answered 2xx) before: what
is refused is not there yet, and what follows it must wait. Later copies of the same event are duplicates and no disorder.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.trials.finding import Check, at_least, exactly

_SHOWN = 5


@dataclass(frozen=True)
class Arrival:
    """One request for event `n` of an object, and whether it was answered 2xx."""

    key: str
    n: int
    webhook_id: str
    taken: bool


@dataclass
class History:
    """`accepted`: events of each object, numbered from 0, that the hub has answered for."""

    accepted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    arrivals: list[Arrival] = field(default_factory=list)
    taken: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def accept(self, key: str, n: int) -> None:
        """The hub answered 2xx to event `n`; the ones before it were accepted before it was sent."""
        self.accepted[key] = max(self.accepted[key], n + 1)

    def arrive(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        if arrival.taken:
            self.taken[arrival.key].add(arrival.n)

    def outstanding(self) -> int:
        """Accepted and not taken by the receiver yet."""
        return sum(count - len(self.taken[key]) for key, count in self.accepted.items())


@dataclass(frozen=True)
class Order:
    """What the arrivals say."""

    events: int
    lost: int
    disorder: list[str]
    duplicates: int
    refused: int
    two_ids: list[str]
    shared_ids: list[str]

    def figures(self) -> dict[str, Any]:
        return {
            "events": self.events, "lost": self.lost, "out_of_order": len(self.disorder), "duplicates": self.duplicates,
            "refused_or_timed_out": self.refused, "examples": self.disorder[:_SHOWN],
        }  # fmt: skip


def examine(history: History) -> Order:
    """The books, read in the order of arrival."""
    taken: set[tuple[str, int]] = set()
    seen: set[tuple[str, int]] = set()
    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    events: dict[str, set[tuple[str, int]]] = defaultdict(set)
    disorder, duplicates = [], 0
    for a in history.arrivals:
        event, before = (a.key, a.n), (a.key, a.n - 1)
        if event not in seen and a.n and before not in taken:
            disorder.append(f"{a.key}: {a.n} came before {a.n - 1} was {'taken' if before in seen else 'seen'}")
        duplicates += event in taken
        seen.add(event)
        ids[event].add(a.webhook_id)
        events[a.webhook_id].add(event)
        if a.taken:
            taken.add(event)
    wanted = {(key, n) for key, count in history.accepted.items() for n in range(count)}
    return Order(
        events=len(wanted),
        lost=len(wanted - taken),
        disorder=disorder,
        duplicates=duplicates,
        refused=sum(not a.taken for a in history.arrivals),
        two_ids=[f"{key} {n}" for (key, n), found in ids.items() if len(found) > 1],
        shared_ids=[name for name, found in events.items() if len(found) > 1],
    )


def judge(
    order: Order, *, control: Order, wanted: int, kills: int, survived: int, serving: int, joins: int, changes: int
) -> list[Check]:
    """`control` is the same harness on an endpoint without order; `serving` kills hit the worker that had the endpoint,
    which went to another worker `changes` times."""
    return [
        exactly("events accepted", wanted, order.events),
        exactly("events out of order", 0, len(order.disorder)),
        exactly("events lost", 0, order.lost),
        exactly("events under two webhook-ids", 0, len(order.two_ids)),
        exactly("webhook-ids of two events", 0, len(order.shared_ids)),
        at_least("requests refused or timed out: it was a test", 1, order.refused),
        exactly("kills of the worker, each survived", kills, survived),
        at_least("of them, while it had the endpoint", kills // 2, serving),
        at_least("times the endpoint went to another worker", joins, changes),
        at_least("negative control: events out of order without `ordering: key`", 1, len(control.disorder)),
    ]
