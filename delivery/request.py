"""The signed request of one attempt: built once for a version of an endpoint, filled in for each delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from delivery import sign
from delivery.http import Request

if TYPE_CHECKING:
    from runtime.config import Endpoint

USER_AGENT: Final = "Hookstream/0.1 (+webhooks)"


class RequestBuilder:
    """Requests to one endpoint. Raises ValueError when a secret is not usable."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._config = endpoint.config
        self._keys = [(s, sign.key_bytes(s.value)) for s in endpoint.secrets]
        self._lines = [
            "Content-Type: application/json",
            f"User-Agent: {USER_AGENT}",
            "Accept: */*",
            "Expect:",  # libcurl would wait for 100-continue on larger bodies
            *(f"{name}: {value}" for name, value in endpoint.headers.items()),
        ]

    def build(  # noqa: PLR0913
        self, *, webhook_id: str, payload: bytes, event_type: str, delivery_id: str, attempt: int, sequence: int,
        replay_id: str | None, now_ms: int, batch: int | None = None,
    ) -> Request:  # fmt: skip
        """One attempt."""
        timestamp_s = now_ms // 1000
        keys = [key for secret, key in self._keys if secret.active(now_ms)]
        lines = [
            *self._lines,
            f"webhook-id: {webhook_id}",
            f"webhook-timestamp: {timestamp_s}",
            f"webhook-signature: {sign.signature(keys, webhook_id, timestamp_s, payload)}",
            f"x-hookstream-event: {event_type}",
            f"x-hookstream-delivery: {delivery_id}",
            f"x-hookstream-attempt: {attempt}",
            f"x-hookstream-sequence: {sequence}",
        ]
        if replay_id is not None:
            lines.append(f"x-hookstream-replay: {replay_id}")
        if batch is not None:
            lines.append(f"x-hookstream-batch: {batch}")
        return Request(url=self._config.url, headers=lines, body=payload, timeout_s=self._config.timeout_s)
