"""Where a replay begins and ends, as people write it, resolved to offsets. Parsing is pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from runtime import durations
from runtime.kafka import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.kafka import Consumer

HELP: Final = (
    "a time (2026-11-23T14:00:00Z), an age (2h ago, -90m), earliest, now, an offset of every partition (@1200), "
    "or one of a single partition (commerce.orders/3@1200)"
)
_AGE: Final = re.compile(r"-\s*(?P<minus>\S+)|(?P<ago>\S+)\s+ago")
_OFFSET: Final = re.compile(r"(?:(?P<topic>[\w.-]+)/(?P<partition>\d+))?@(?P<offset>\d+)")
_TIMEOUT_S: Final = 10


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a range: a time in ms since the epoch, or an offset, perhaps of a single partition."""

    time_ms: int | None = None
    offset: int | None = None
    topic: str | None = None
    partition: int | None = None


class Range(msgspec.Struct, frozen=True):
    """Offsets of one partition; the end is not included."""

    topic: str
    partition: int
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.start}-{self.end}"

    @classmethod
    def parse(cls, text: str) -> Range:
        """The inverse of `str`. Raises ValueError."""
        match = re.fullmatch(r"(.+)/(\d+)@(\d+)-(\d+)", text)
        if match is None:
            raise ValueError(f"{text!r} is no range: want topic/partition@start-end")
        return cls(match[1], int(match[2]), int(match[3]), int(match[4]))


def parse(text: str, now_ms: int) -> Place:
    """A place as written. Raises ValueError that lists what is accepted."""
    text = text.strip()
    if text in ("earliest", "latest", "now"):
        return Place(time_ms=0 if text == "earliest" else now_ms)
    if match := _OFFSET.fullmatch(text):
        partition = int(match["partition"]) if match["partition"] else None
        return Place(offset=int(match["offset"]), topic=match["topic"], partition=partition)
    try:
        if match := _AGE.fullmatch(text):
            return Place(time_ms=now_ms - round(durations.parse(match["minus"] or match["ago"]) * 1000))
        at = datetime.fromisoformat(text)
    except ValueError as e:
        raise ValueError(f"{text!r} says no place to replay from or to: write {HELP}") from e
    return Place(time_ms=round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000))


def resolve(consumer: Consumer, spots: Sequence[tuple[str, int]], start: Place, end: Place, prefix: str = "") -> list[Range]:
    """The offsets between two places in each partition; empty ranges left out. Raises ValueError, KafkaException."""
    chosen = [spot for spot in spots if _covers(start, spot, prefix) and _covers(end, spot, prefix)]
    if not chosen:
        raise ValueError("--from and --to name no partition that holds events: use the names that `hub topics check` knows")
    starts, ends = (_offsets(consumer, chosen, place) for place in (start, end))
    ranges = []
    for spot in chosen:
        low, high = consumer.get_watermark_offsets(TopicPartition(*spot), timeout=_TIMEOUT_S)
        first = low if starts[spot] is None else max(low, starts[spot] or 0)
        last = high if ends[spot] is None else min(high, ends[spot] or 0)
        if starts[spot] is None and start.time_ms:  # nothing was written at or after that time
            first = high
        if first < last:
            ranges.append(Range(spot[0], spot[1], first, last))
    return ranges


def _covers(place: Place, spot: tuple[str, int], prefix: str) -> bool:
    return place.topic is None or (prefix + place.topic.removeprefix(prefix), place.partition) == spot


def _offsets(consumer: Consumer, spots: Sequence[tuple[str, int]], place: Place) -> dict[tuple[str, int], int | None]:
    """Offset of a place in each partition; None where it lies behind the last record."""
    if place.offset is not None:
        return dict.fromkeys(spots, place.offset)
    asked = [TopicPartition(t, p, place.time_ms or 0) for t, p in spots]
    answers = consumer.offsets_for_times(asked, timeout=_TIMEOUT_S)
    return {(a.topic, a.partition): a.offset if a.offset >= 0 else None for a in answers}
