"""What one HTTP attempt came to: the facts, before anybody decides what follows from them."""

from __future__ import annotations

from typing import Literal

import msgspec

ErrorClass = Literal[
    "dns", "connect", "tls", "timeout", "refused_address", "reset", "protocol", "bad_url", "redirect", "auth", "status"
]
"""Closed vocabulary of failures; "status" is any response that is neither 2xx nor 3xx."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt. Durations in milliseconds from its start, 0 where a phase did not happen."""

    started_at: int  # ms since the epoch
    status: int | None = None  # None when no response came
    error_class: ErrorClass | None = None  # None on success
    error: str | None = None  # in words
    headers: dict[str, str] = {}  # of the response, lower-case names
    head: bytes = b""  # of the response body, capped
    cut: bool = False  # whether the body was longer
    dns_ms: float = 0.0
    connect_ms: float = 0.0
    tls_ms: float = 0.0
    first_byte_ms: float = 0.0
    total_ms: float = 0.0

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: any 2xx (Standard Webhooks, "Responding to webhooks")."""
        return self.error_class is None


def classify(status: int) -> tuple[ErrorClass | None, str | None]:
    """Error class and words of a response's status; (None, None) for 2xx."""
    if 200 <= status < 300:
        return None, None
    if 300 <= status < 400:
        return "redirect", f"answered {status}: redirects are not followed, set the endpoint's URL to the final address"
    return "status", f"answered {status}"
