"""From a delivery to the request that carries it, for one version of an endpoint: headers, credentials, signatures.

What is the same for all requests is made once. Nothing that comes from a record or a configuration can end a header line.
Source: Standard Webhooks, spec/standard-webhooks.md, "Webhook headers (sent to consumers)".
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from delivery import sign, tls
from delivery.tls import Tls
from delivery.transfer import Request
from schemas import headers as header_rules
from schemas.auth import Basic, Bearer, Mtls, OAuth2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from delivery.sign import Signer
    from runtime.config import Endpoint
    from schemas.auth import Auth

USER_AGENT: Final = "Hookstream/0.1 (+webhooks)"
_DEFAULTS: Final = (f"User-Agent: {USER_AGENT}", "Accept: */*")  # an endpoint may set its own
ID_MAX: Final = 512
_URL: Final = re.compile(r"https?://[!-~]+", re.IGNORECASE | re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]+")
_FOREVER: Final = float("inf")


class RequestBuilder:
    """Requests of one version of an endpoint. Raises ValueError when that cannot be served as it is configured.

    The message names the field and never holds a secret.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        config = endpoint.config
        self._url, self._timeout_s = _checked_url(config.url), config.timeout_s
        self._signers = [(secret.expires_at or _FOREVER, sign.signer(secret.value)) for secret in endpoint.secrets]
        if not any(end == _FOREVER for end, _ in self._signers):
            raise ValueError("secrets: there is no current signing secret: rotate it")
        self._active: list[Signer] = []
        self._look_again: float = 0  # when the set of active secrets changes, ms
        self._oauth2 = endpoint.auth if isinstance(endpoint.auth, OAuth2) else None
        if self._oauth2 is not None:
            _checked_url(self._oauth2.token_url, "auth.token_url")
        self._tls = _tls(endpoint.auth, config.ca)
        custom = {name.lower() for name in endpoint.headers}
        self._lines = [
            "Content-Type: application/json",
            *(line for line in _DEFAULTS if line.partition(":")[0].lower() not in custom),
            "Expect:",  # libcurl would wait for 100-continue on larger bodies
            *_header_lines(endpoint.headers, endpoint.auth),
        ]

    def build(  # noqa: PLR0913 - what differs from one attempt to the next, by name
        self,
        *,
        webhook_id: str,
        payload: bytes,
        event_type: str,
        delivery_id: str,
        attempt: int,
        sequence: int,
        replay_id: str | None,
        now_ms: int,
        batch: int | None = None,
    ) -> Request:
        """The signed request of one attempt. `batch`: how many deliveries the payload holds, None when it is one alone."""
        if now_ms >= self._look_again:
            self._choose(now_ms)
        timestamp_s = now_ms // 1000
        webhook_id = _safe(webhook_id)
        signature = sign.signature(self._active, webhook_id, timestamp_s, payload)
        lines = [
            *self._lines,
            f"webhook-id: {webhook_id}",
            f"webhook-timestamp: {timestamp_s}",
            f"webhook-signature: {signature}",
            f"x-hookstream-event: {_safe(event_type)}",
            f"x-hookstream-delivery: {_safe(delivery_id)}",
            f"x-hookstream-attempt: {attempt}",
            f"x-hookstream-sequence: {sequence}",
        ]
        if replay_id is not None:
            lines.append(f"x-hookstream-replay: {_safe(replay_id)}")
        if batch is not None:
            lines.append(f"x-hookstream-batch: {batch}")
        return Request(url=self._url, headers=lines, body=payload, timeout_s=self._timeout_s, tls=self._tls, oauth2=self._oauth2)

    def _choose(self, now_ms: int) -> None:
        """The secrets that sign now: all whose overlap is not over, each in its own kind."""
        active = [(end, signer) for end, signer in self._signers if now_ms < end]
        self._active = [signer for _, signer in active]
        self._look_again = min(end for end, _ in active)


def _safe(text: str) -> str:
    """Text of a record as a header's value: what could end the line or be trimmed away is escaped as in a URL."""
    if text.isascii() and text.isprintable() and " " not in text and text and len(text) <= ID_MAX:
        return text
    return quote(text, safe="!#$&'()*+,/:;=?@[]", errors="replace")[:ID_MAX] or "-"


def _checked_url(url: str, field: str = "url") -> str:
    """libcurl would send a user in a URL along, and read what follows a backslash or a space in a way of its own."""
    try:
        parts = urlsplit(url)
        usable = bool(_URL.fullmatch(url) and parts.hostname and parts.port != 0)
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or "\\" in url or "#" in url:
        raise ValueError(f"{field}: is not usable: want http:// or https://, a host, and no user or password")
    return url


def _header_lines(headers: dict[str, str], auth: Auth | None) -> Iterator[str]:
    own = _authorization(auth)
    if own is not None:
        yield f"Authorization: {own}"
    seen = {"authorization"} if own is not None or isinstance(auth, OAuth2) else set()
    for name, value in headers.items():
        problem = header_rules.name_problem(name) or header_rules.value_problem(value)
        if problem is not None:
            raise ValueError(f"headers.{name[:100]!r}: {problem}")
        if name.lower() in seen:
            raise ValueError(f"headers.{name}: is there twice, or is set by `auth`: keep one")
        seen.add(name.lower())
        # libcurl takes "name:" for an order to leave the header out; a semicolon sends it empty.
        yield f"{name}: {value}" if value.strip() else f"{name};"


def _authorization(auth: Auth | None) -> str | None:
    if isinstance(auth, Basic):
        if ":" in auth.username or not f"{auth.username}{auth.password}".isprintable():
            raise ValueError("auth: a user name has no colon, and neither it nor the password a control character")
        return "Basic " + base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()
    if isinstance(auth, Bearer):
        if not _TOKEN.fullmatch(auth.token):
            raise ValueError("auth.token: want printable ASCII without spaces")
        return f"Bearer {auth.token}"
    return None


def _tls(auth: Auth | None, ca: str | None) -> Tls | None:
    own = auth if isinstance(auth, Mtls) else None
    if own is None and ca is None:
        return None
    return tls.check(
        Tls(
            ca=ca.encode() if ca is not None else None,
            certificate=own.certificate.encode() if own else None,
            private_key=own.private_key.encode() if own else None,
        )
    )
