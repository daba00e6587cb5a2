"""Log in, log out, and the colours a person prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console.pages import gate
from console.pages.session import COOKIE
from console.pages.site import THEME, local

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.pages.site import Site, Visit

_YEAR_S: Final = 365 * 24 * 3600


def routes(site: Site) -> list[BaseRoute]:
    """Login is public, its form carries the token of an anonymous session."""
    return [
        gate.page(site, "/login", _form, public=True),
        gate.post(site, "/login", _login, public=True),
        gate.post(site, "/logout", _logout),
        gate.post(site, "/theme", _theme),
    ]


async def _form(visit: Visit) -> Response:
    wanted = local(visit.query.get("next", ""), "/")
    if visit.session.known:
        return visit.go(wanted)
    return _show(visit, wanted)


def _show(visit: Visit, wanted: str, error: str = "", status: int = 200) -> Response:
    response = visit.page("login.html", title="Log in", here="", status=status, next=wanted, error=error)
    visit.site.sessions.store(response, visit.session, secure=visit.secure)
    return response


async def _login(visit: Visit) -> Response:
    site, wanted = visit.site, local(visit.form.one("next"), "/")
    address = visit.request.client.host if visit.request.client else ""
    wait_s = site.attempts.wait_s(address)
    if wait_s:
        response = _show(visit, wanted, f"Too many attempts: wait {wait_s} s and try again.", 429)
        response.headers["retry-after"] = str(wait_s)
        return response
    session = site.sessions.login(visit.form.one("key"))
    if session is None:
        site.attempts.failed(address)
        return _show(visit, wanted, "That is not the admin key.", 401)
    site.attempts.succeeded(address)
    response = visit.go(wanted)
    site.sessions.store(response, session, secure=visit.secure)
    return response


async def _logout(visit: Visit) -> Response:
    visit.site.sessions.end(visit.session)
    response = visit.go("/login")
    response.delete_cookie(COOKIE, path="/")
    return response


async def _theme(visit: Visit) -> Response:
    response = visit.back("/")
    wanted = visit.form.one("theme")
    if wanted in {"light", "dark"}:
        response.set_cookie(THEME, wanted, max_age=_YEAR_S, httponly=True, samesite="strict", secure=visit.secure, path="/")
    else:
        response.delete_cookie(THEME, path="/")
    return response
