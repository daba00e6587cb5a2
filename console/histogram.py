"""Durations as counts in logarithmic buckets: four a doubling, so a percentile is at most 19 % off. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PER_DOUBLING: Final = 4


def bucket_of(ms: float) -> int:
    """Bucket of a duration: 0 up to 1 ms, then bucket i up to 2 ** (i / 4) ms."""
    return 0 if ms <= 1 else math.ceil(math.log2(ms) * PER_DOUBLING)


def upper_ms(bucket: int) -> float:
    """Upper bound of a bucket, milliseconds."""
    return float(2 ** (bucket / PER_DOUBLING))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Duration in ms that `share` (0 to 1) of the counted ones do not exceed; None when there are none.

    Negative buckets hold what was counted without a duration, and are left out.
    """
    counts = {bucket: count for bucket, count in counts.items() if bucket >= 0}
    total = sum(counts.values())
    if total == 0:
        return None
    wanted, seen = share * total, 0
    for bucket in sorted(counts):
        inside = counts[bucket]
        if inside and seen + inside >= wanted:
            low = upper_ms(bucket - 1) if bucket else 0.0
            return round(low + (upper_ms(bucket) - low) * (wanted - seen) / inside, 3)
        seen += inside
    return upper_ms(max(counts))
