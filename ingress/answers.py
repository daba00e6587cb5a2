"""What goes back to the sender: small JSON bodies, errors as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Send

JSON = b"application/json"
PROBLEM = b"application/problem+json"


class Answer(msgspec.Struct, frozen=True):
    """A whole response."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Write it to an ASGI connection."""
        length = (b"content-length", b"%d" % len(self.body))
        headers = [(b"content-type", self.content_type), length, *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def success(status: int, content: dict[str, Any]) -> Answer:
    """An answer without complaint."""
    return Answer(status, msgspec.json.encode(content))


class Problem(Exception):  # noqa: N818 - the name RFC 9457 gives it
    """Ends a request with problem details. `errors` are (field, message), `code` is a short word for programs."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors, self.headers = status, code, detail, errors, headers

    def answer(self) -> Answer:
        """The response."""
        content: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            content["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        return Answer(self.status, msgspec.json.encode(content), PROBLEM, self.headers)


def unavailable(detail: str) -> Problem:
    """Come back later: nothing is wrong with the request."""
    return Problem(503, "unavailable", detail, headers=((b"retry-after", b"5"),))
