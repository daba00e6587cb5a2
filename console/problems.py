"""What can be wrong with a request, as exceptions that carry their RFC 9457 problem details."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class FieldError(msgspec.Struct, frozen=True):
    """A field of the request, and what is wrong with it and how to mend it."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error (RFC 9457, application/problem+json)."""

    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class ProblemError(Exception):
    """Base: what `console.api.errors` turns into a response."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.problem = Problem(title=self.title, status=self.status, detail=detail, errors=list(errors))


class InvalidError(ProblemError):
    """Fields that cannot be used; each is named."""

    status, title = 422, "Invalid request"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{f}: {m}" for f, m in errors), [FieldError(f, m) for f, m in errors])


class MalformedError(ProblemError):
    """The body is not what it should be at all."""

    status, title = 400, "Malformed request"


class UnauthorizedError(ProblemError):
    """No key, or another one."""

    status, title = 401, "Unauthorized"


class NotFoundError(ProblemError):
    """No such thing."""

    status, title = 404, "Not found"


class ConflictError(ProblemError):
    """The thing's state forbids it."""

    status, title = 409, "Conflict"


class GoneError(ProblemError):
    """It was there, but Kafka no longer keeps it."""

    status, title = 410, "Gone"


class UnavailableError(ProblemError):
    """Kafka does not answer; nothing is wrong with the request."""

    status, title = 503, "Unavailable"
