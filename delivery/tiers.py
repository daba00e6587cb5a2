"""Any delay as hops through the shared retry topics: which tier a delivery waits in, and until when.

A tier's records are read ahead into memory and served when due, so within a tier the order of due times need
not be the order of arrival (jitter, Retry-After). A delay longer than the longest tier is a sum of hops.
"""

from __future__ import annotations

from typing import Final

from schemas.topics import TIERS, Tier

STRETCH: Final = 1.25  # a tier also serves delays this much longer than its own: covers jitter without a second hop


def choose(delay_s: float) -> Tier:
    """The longest tier that does not overshoot; the shortest one for everything below it."""
    fitting = [tier for tier in TIERS if tier.delay_s <= delay_s * STRETCH]
    return fitting[-1] if fitting else TIERS[0]


def look_at(not_before_ms: int, written_ms: int, tier: Tier) -> int:
    """When to look at a record that was written to `tier` at `written_ms`: when due, or when its hop ends."""
    return min(not_before_ms, written_ms + round(tier.delay_s * STRETCH * 1000))
