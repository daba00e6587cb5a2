"""Why a request to /in is refused, and the status that says so: a closed vocabulary, also the metric's label."""

from __future__ import annotations

from typing import Final, Literal

from ingress.answers import Problem
from ingress.providers.profile import Reason as SignatureReason

Reason = (
    SignatureReason
    | Literal[
        "unknown_source",
        "source_disabled",
        "address_refused",
        "body_too_large",
        "body_incomplete",
        "headers_too_large",
        "encoding_unsupported",
        "method_not_allowed",
    ]
)

STATUS: Final[dict[Reason, int]] = {
    "unknown_source": 404,
    "source_disabled": 403,
    "address_refused": 403,
    "body_too_large": 413,
    "body_incomplete": 400,
    "headers_too_large": 431,
    "encoding_unsupported": 415,
    "method_not_allowed": 405,
    "signature_missing": 401,
    "signature_malformed": 401,
    "signature_mismatch": 401,
    "timestamp_stale": 401,
    "no_secret": 401,
    "misconfigured": 503,  # ours to mend, so the sender had better come back
}


class Refusal(Problem):
    """A request that is not let in. `size` and `head` are of the body, where it was not read to its end."""

    def __init__(self, reason: Reason, detail: str, *, size: int = 0, head: bytes = b"") -> None:
        extra = {405: ((b"allow", b"POST"),), 503: ((b"retry-after", b"60"),)}
        super().__init__(STATUS[reason], reason, detail, headers=extra.get(STATUS[reason], ()))
        self.reason, self.size, self.head = reason, size, head
