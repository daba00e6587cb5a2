"""Where a delivery stands, from the facts about it in any order.

Two registers, each replaced as a whole by the fact of the greatest rank: where it stands now, and its last attempt.
Taking the greater is commutative, associative and idempotent, so neither the order of topics nor a repeated record
can move a delivery a step back. The rank is (attempts spent, time, weight): a person's retry after death spends none
and comes later, the dead letter of an attempt comes with it and weighs more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

QUEUED_WEIGHT: Final = 0
ATTEMPT_WEIGHT: Final = 1
DEAD_WEIGHT: Final = 2

Rank = tuple[int, int, int]
NEVER: Final[Rank] = (-1, 0, 0)


class Place(msgspec.Struct, frozen=True, gc=False):
    """A record in Kafka; `topic` without the deployment's prefix."""

    topic: str
    partition: int
    offset: int


class Standing(msgspec.Struct, gc=False):
    """What is known of one delivery. `now` and `last` are rows for the store's columns, in their order."""

    identity: tuple[Any, ...]
    rank: Rank
    now: tuple[Any, ...]
    last_rank: Rank
    last: tuple[Any, ...]

    @property
    def endpoint_id(self) -> str:
        """Receiver."""
        return str(self.identity[3])

    @property
    def state(self) -> str:
        """queued, retrying, delivered, dead or superseded."""
        return str(self.now[0])


IDENTITY: Final = (
    "id", "webhook_id", "tenant", "endpoint_id", "event_id", "event_type", "object_key", "received_at", "queued_at",
)  # fmt: skip
RANK: Final = ("spent", "changed_at", "weight")
NOW: Final = ("state", "next_attempt_at", "cause", "lane", "replay_id", "topic", "partition", "offset")
LAST_RANK: Final = ("last_attempt", "last_attempt_at")
LAST: Final = ("last_status", "last_error_class", "last_error")
UNTRIED: Final = (None, None, None)


def of_delivery(f: Mapping[str, Any], place: Place, written_ms: int) -> Standing:
    """The fact that a delivery lies in the queue, waiting for its attempt `f["attempt"]`."""
    now = ("queued", f["not_before"] or None, None, f["lane"], f["replay_id"], place.topic, place.partition, place.offset)
    return Standing(_identity(f, "id"), (f["attempt"] - 1, written_ms, QUEUED_WEIGHT), now, NEVER, UNTRIED)


def of_dead(f: Mapping[str, Any], place: Place, written_ms: int) -> Standing:
    """The fact that a delivery was given up before its attempt `f["attempt"]`."""
    now = ("dead", None, f["cause"], f["lane"], f["replay_id"], place.topic, place.partition, place.offset)
    return Standing(_identity(f, "id"), (f["attempt"] - 1, written_ms, DEAD_WEIGHT), now, NEVER, UNTRIED)


def of_attempt(f: Mapping[str, Any], topic: str) -> Standing:
    """The fact that the attempt `f["attempt"]` was made, or, superseded without an error, that it was not.

    `topic` is that of the delivery, without prefix.
    """
    place = (topic, f["delivery_partition"], f["delivery_offset"])
    now = (f["state"], f["next_attempt_at"], None, f["lane"], f["replay_id"], *place)
    if f["state"] == "superseded" and f["error_class"] is None:  # like a dead letter: it spends no attempt
        return Standing(_identity(f, "delivery_id"), (f["attempt"] - 1, finished_at(f), DEAD_WEIGHT), now, NEVER, UNTRIED)
    last = (f["status"], f["error_class"], f["error"])
    rank = (f["attempt"], finished_at(f), ATTEMPT_WEIGHT)
    return Standing(_identity(f, "delivery_id"), rank, now, (f["attempt"], f["started_at"], 0), last)


def merge(known: Standing, new: Standing) -> None:
    """Take into `known` what `new` knows better."""
    if new.rank > known.rank:
        known.rank, known.now = new.rank, new.now
    if new.last_rank > known.last_rank:
        known.last_rank, known.last = new.last_rank, new.last


def finished_at(attempt: Mapping[str, Any]) -> int:
    """When an attempt ended, ms since the epoch."""
    return int(attempt["started_at"] + attempt["total_ms"])


def _identity(f: Mapping[str, Any], id_field: str) -> tuple[Any, ...]:
    return (
        f[id_field], f["webhook_id"], f["tenant"], f["endpoint_id"], f["event_id"], f["event_type"], f["object_key"],
        f["received_at"], f["queued_at"],
    )  # fmt: skip
