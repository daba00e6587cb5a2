"""What all signature schemes share: try every active secret, compare in constant time, say which one matched."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from ingress.providers.profile import Refused, Verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ingress.providers.profile import Key


def match(keys: Sequence[Key], now_ms: int, offered: Sequence[bytes], expected: Callable[[str], bytes]) -> Verified | Refused:
    """Whether one of the `offered` signatures is the one `expected` of an active secret."""
    usable = active(keys, now_ms)
    if not usable:
        return no_secret(keys)
    for key in usable:
        wanted = expected(key.value)
        if any(hmac.compare_digest(wanted, given) for given in offered):
            return Verified(key.id)
    return Refused("signature_mismatch", f"no signature matches: tried {len(usable)} secret(s) of the source")


def active(keys: Iterable[Key], now_ms: int) -> list[Key]:
    """Keys that may be used now. Empty secrets never: anybody could sign with them."""
    return [key for key in keys if key.value.strip() and key.active(now_ms)]


def no_secret(keys: Sequence[Key]) -> Refused:
    """The refusal for a source without a usable secret."""
    why = "all secrets of the source have expired or are empty" if keys else "the source has no secret"
    return Refused("no_secret", f"{why}: give it one under /api/v1/sources")


def stale(seconds: int, now_ms: int, tolerance_s: int) -> Refused | None:
    """The refusal when a signed time is too far from now, on either side."""
    if abs(now_ms - seconds * 1000) <= tolerance_s * 1000:
        return None
    off = seconds - now_ms // 1000
    return Refused(
        "timestamp_stale", f"signed {abs(off)} s {'ahead of' if off > 0 else 'before'} now, {tolerance_s} s are allowed"
    )


def seconds(text: str) -> int | None:
    """Unix seconds as signers write them: ASCII digits only."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None
