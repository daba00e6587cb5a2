"""A failed attempt in words: cause, evidence, next step. Pure; the whole vocabulary stands in one table."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from console.pages.format import duration, text
from console.rows import AttemptRow

if TYPE_CHECKING:
    from schemas.records import Attempt


_MARKUP: Final = re.compile(r"<(script|style)\b.*?(</\1\s*>|\Z)|<[^>]*(>|\Z)", re.IGNORECASE | re.DOTALL)


class Explanation(msgspec.Struct, frozen=True):
    """What went wrong, what shows it, and what to do about it."""

    cause: str
    evidence: str
    advice: str


_BY_CLASS: Final = {
    "dns": ("Their host name did not resolve", "Check the endpoint's URL for a typing error, or ask them whether their DNS changed."),
    "connect": ("Their server refused the connection", "It is down or a firewall is in the way: ask them, it is retried meanwhile."),
    "tls": ("The TLS handshake failed", "Ask them to check their certificate: expired, wrong name or an incomplete chain."),
    "reset": ("Their server closed the connection", "Ask them to look for crashes or a proxy limit at this moment."),
    "protocol": ("Their answer is not HTTP as we know it", "Check that the URL's port serves HTTP and not something else."),
    "bad_url": ("The endpoint's URL cannot be called", "Edit the endpoint and write a full http(s) address."),
    "refused_address": ("The address is not public", "Use a public address, or allow the range with HUB_EGRESS_ALLOW."),
    "auth": ("No access token was to be had", "Check the endpoint's token URL, client id and client secret, or ask whoever runs their login."),
    "redirect": ("They answered with a redirect", "Redirects are never followed: set the endpoint's URL to the final address."),
}  # fmt: skip

_BY_STATUS: Final = {
    400: "They read it and did not like it: compare the payload with what they expect.",
    401: "They want credentials: set those they gave you on the endpoint.",
    403: "They refuse us: a firewall, an allowlist or the wrong signing secret.",
    404: "The path does not exist there: check the endpoint's URL.",
    405: "The path does not take POST: check the endpoint's URL.",
    410: "They asked never to be called again; the endpoint was disabled.",
    413: "The payload is larger than they accept.",
    415: "They do not accept application/json.",
    422: "They read it and did not like it: compare the payload with what they expect.",
    429: "They ask for fewer requests: give the endpoint a rate limit.",
}


def explain(attempt: Attempt | AttemptRow) -> Explanation | None:
    """Words for an attempt; None when it was delivered. A row knows less evidence than the whole record."""
    if attempt.error_class is None:
        return None
    if attempt.error_class == "timeout":
        return _timeout(attempt)
    if attempt.status is not None and attempt.error_class == "status":
        return _status(attempt)
    cause, advice = _BY_CLASS.get(attempt.error_class, ("The attempt failed", "See the response and the error's text."))
    return Explanation(cause, attempt.error or attempt.error_class, advice)


def _timeout(attempt: Attempt | AttemptRow) -> Explanation:
    cause = f"Timeout after {duration(attempt.total_ms)}"
    if isinstance(attempt, AttemptRow):
        return Explanation(cause, attempt.error or "", "They should answer first and work afterwards.")
    if not attempt.connect_ms and "open connection" not in (attempt.error or ""):
        return Explanation(
            cause,
            "no connection was made",
            "Their server did not take the connection: it is down or a firewall drops packets.",
        )
    connected = f"connected in {duration(attempt.dns_ms + attempt.connect_ms + attempt.tls_ms)}"
    if attempt.first_byte_ms:
        return Explanation(
            cause,
            f"{connected}, first byte after {duration(attempt.first_byte_ms)}, answer not complete",
            "Their answer came too slowly: they should answer first and work afterwards.",
        )
    return Explanation(
        cause,
        f"{connected}, no first byte",
        "Their server accepted the connection and did not answer: they should answer first and work afterwards.",
    )


def _status(attempt: Attempt | AttemptRow) -> Explanation:
    status = attempt.status or 0
    advice = _BY_STATUS.get(status)
    if advice is None:
        theirs = status >= 500
        advice = (
            "The error is on their side: their log for this moment says more."
            if theirs
            else "They refuse the request: their response below says why."
        )
    evidence = "" if isinstance(attempt, AttemptRow) else _first_line(attempt.response_head)
    return Explanation(f"They answered {status}{_phrase(status)}", evidence, advice)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _first_line(head: bytes) -> str:
    """The first words of a response; of an HTML page its text, for that is where the reason stands."""
    words = text(head[:2000]).strip()
    if words.startswith("<"):
        words = " ".join(_MARKUP.sub(" ", words).split())
    line = words.split("\n")[0]
    return (line[:157] + "…") if len(line) > 160 else line or "with an empty body"
