"""The gate before every page: session, form token, and errors turned into pages a person can act on."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.middleware import Middleware
from starlette.routing import Route

from console.cursor import CursorError
from console.pages.headers import SecurityHeaders
from console.pages.session import COOKIE, same_token
from console.pages.site import BadFormError, Form, Visit, link, read_form
from console.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from console.pages.site import Site

    Handler = Callable[[Visit], Awaitable[Response]]

log = logging.getLogger(__name__)
_NO_FORM: Final = Form({})


def page(site: Site, path: str, handler: Handler, *, public: bool = False) -> Route:
    """A route for GET."""
    return Route(path, partial(_get, site, handler, public), methods=["GET"], middleware=[Middleware(SecurityHeaders)])


def post(site: Site, path: str, handler: Handler, *, public: bool = False) -> Route:
    """A route for a form, which must carry the session's token."""
    return Route(path, partial(_post, site, handler, public), methods=["POST"], middleware=[Middleware(SecurityHeaders)])


async def _get(site: Site, handler: Handler, public: bool, request: Request) -> Response:  # noqa: FBT001 - bound by partial
    session = site.sessions.open(request.cookies.get(COOKIE))
    visit = Visit(site, request, session or site.sessions.anonymous(), _NO_FORM)
    if not public and not visit.session.known:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return visit.go(link("/login", next="" if wanted == "/" else wanted))
    return await _handled(visit, handler)


async def _post(site: Site, handler: Handler, public: bool, request: Request) -> Response:  # noqa: FBT001 - bound by partial
    session = site.sessions.open(request.cookies.get(COOKIE))
    nobody = Visit(site, request, session or site.sessions.anonymous(), _NO_FORM)
    if session is None or not (public or session.known):
        return nobody.go("/login", "Your session has ended: log in and do it again.", "bad")
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return _problem(nobody, 403, "Not from here", "This form was sent from another site, so nothing was done.")
    try:
        form = await read_form(request)
    except BadFormError as e:
        return _problem(nobody, 400, "That is no form of ours", f"Nothing was done: {e}.")
    if not same_token(session, form.one("csrf")):
        return _problem(
            nobody, 403, "The form is out of date", "Nothing was done. Go back, load the page again and send it once more."
        )
    return await _handled(Visit(site, request, session, form), handler)


async def _handled(visit: Visit, handler: Handler) -> Response:
    try:
        return await handler(visit)
    except ProblemError as e:
        return _problem(visit, e.problem.status, e.problem.title, e.problem.detail)
    except CursorError as e:
        return _problem(visit, 400, "No such page", f"{e}.")
    except Exception:
        log.exception("page failed", extra={"path": visit.request.url.path})
        return _problem(visit, 500, "This page failed", "The error is in the console's log. Other pages may work.")


def _problem(visit: Visit, status: int, title: str, words: str) -> Response:
    back = visit.request.url.path.rsplit("/", 1)[0] or "/"
    known = visit.session.known
    return visit.page(
        "problem.html" if known else "problem_bare.html",
        title=title,
        here="",
        status=status,
        words=words,
        back=back if known else "/login",
        back_label="Back" if known else "Log in",
    )


async def not_found(visit: Visit) -> Response:
    """For paths nobody answers."""
    return _problem(visit, 404, "Nothing is here", f"There is no page at {visit.request.url.path[:200]}.")
