"""Every exception that leaves a handler of the API, to its response: the one place where errors become HTTP."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from console.api.operation import problem_response
from console.cursor import CursorError
from console.payloads import RecordGoneError, RecordUnavailableError
from console.problems import GoneError, InvalidError, ProblemError, UnavailableError
from console.stats import RangeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ExceptionHandler

log = logging.getLogger(__name__)


class _HttpError(ProblemError):
    def __init__(self, status: int, detail: str) -> None:
        self.status, self.title = status, HTTPStatus(status).phrase
        super().__init__(detail)


async def answer(request: Request, error: Exception) -> Response:
    """The response of an error."""
    problem = _problem(error, request.url.path)
    if problem is None:
        log.error("request failed", extra={"path": request.url.path}, exc_info=error)
        problem = _HttpError(500, "Something is wrong here; the console's log says what.")
    response = problem_response(problem)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def _of_http(error: HTTPException, path: str) -> ProblemError:
    words = {404: f"there is nothing at {path}: see /api/docs", 405: f"{path} does not take this method: see /api/docs"}
    return _HttpError(error.status_code, words.get(error.status_code, error.detail))


def _of_range(error: RangeError) -> ProblemError:
    field, _, words = str(error).partition(": ")
    return InvalidError([(field, words)])


def _of_database(error: SQLAlchemyError, path: str) -> ProblemError:
    log.error("database failed", extra={"path": path}, exc_info=error)
    return UnavailableError("the read model does not answer; the console's log says why")


_TABLE: dict[type[Exception], Callable[[Any, str], ProblemError]] = {
    ProblemError: lambda e, _: e,
    CursorError: lambda e, _: InvalidError([("cursor", str(e))]),
    RangeError: lambda e, _: _of_range(e),
    RecordGoneError: lambda e, _: GoneError(str(e)),
    RecordUnavailableError: lambda e, _: UnavailableError(str(e)),
    SQLAlchemyError: _of_database,
    HTTPException: _of_http,
}


def _problem(error: Exception, path: str) -> ProblemError | None:
    return next((make(error, path) for kind, make in _TABLE.items() if isinstance(error, kind)), None)


HANDLERS: dict[type[Exception], ExceptionHandler] = dict.fromkeys((*_TABLE, Exception), answer)
