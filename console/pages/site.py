"""One visit to the dashboard: session, form, flash and the frame around every page."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from starlette.responses import RedirectResponse

from console.pages import words  # noqa: TC001 - msgspec resolves the annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from console.deps import Deps
    from console.pages.render import Renderer
    from console.pages.session import Attempts, Session, Sessions

T = TypeVar("T")
FORM_MAX: Final = 64 * 1024
FLASH: Final = "hookstream_flash"
THEME: Final = "hookstream_theme"
MENU: Final = (
    ("", (("/", "Overview", "home"), ("/deliveries", "Deliveries", "send"), ("/endpoints", "Endpoints", "target"), ("/sources", "Sources", "inbox"))),
    ("Needs a look", (("/dead", "Dead letters", "cross"), ("/unrouted", "Unrouted", "fork"), ("/quarantined", "Quarantined", "flask"), ("/rejected", "Rejected", "shield"))),
)  # fmt: skip


class BadFormError(Exception):
    """The request carries no form of ours; the message says why."""


class Flash(msgspec.Struct, frozen=True):
    """One sentence for the next page."""

    text: str
    tone: words.Tone = "good"


class Errors(dict[str, str]):
    """Messages by field; a field without one has an empty one."""

    def __missing__(self, field: str) -> str:
        return ""


class Form:
    """The fields of a posted form."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def one(self, name: str, default: str = "") -> str:
        """A field's value without the blanks around it."""
        return self._fields.get(name, [default])[-1].strip()

    def many(self, name: str) -> list[str]:
        """All values of a field."""
        return [v.strip() for v in self._fields.get(name, []) if v.strip()]

    def listed(self, name: str) -> list[str]:
        """The parts of a field that are separated by commas or lines."""
        return [part.strip() for part in self.one(name).replace("\n", ",").split(",") if part.strip()]

    def prefixed(self, prefix: str) -> dict[str, str]:
        """Non-empty fields whose name begins so, without the prefix."""
        return {n.removeprefix(prefix): v for n in self._fields if n.startswith(prefix) and (v := self.one(n))}


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What all pages share; made once by `console.pages.routes`."""

    deps: Deps
    renderer: Renderer
    sessions: Sessions
    attempts: Attempts

    @property
    def ingress(self) -> str:
        """Where the ingress is, as far as this process knows."""
        host = self.deps.settings.host
        return f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{self.deps.settings.ingress_port}"


class Visit:
    """One request with its session."""

    def __init__(self, site: Site, request: Request, session: Session, form: Form) -> None:
        self.site, self.request, self.session, self.form = site, request, session, form
        self.deps = site.deps
        self.now = site.deps.clock.now_ms()

    @property
    def query(self) -> Mapping[str, str]:
        """The query string; the last value of a repeated name, without the blanks around it."""
        return {name: value.strip() for name, value in self.request.query_params.items()}

    @property
    def path(self) -> dict[str, str]:
        """The parts of the path."""
        return dict(self.request.path_params)

    def page(self, template: str, *, title: str, here: str, status: int = 200, **own: Any) -> Response:
        """A whole page. `here` is the menu entry it belongs to."""
        flash = _flash_of(self.request)
        shared = {
            "title": title,
            "here": here,
            "url": str(self.request.url.path) + (f"?{self.request.url.query}" if self.request.url.query else ""),
            "now": self.now,
            "theme": self.request.cookies.get(THEME, ""),
            "csrf_token": self.session.token,
            "menu": _menu(self.deps) if self.session.known else (),
            "flashes": [flash] if flash else [],
            "ingress": self.site.ingress,
            "origin": f"{self.request.url.scheme}://{self.request.url.netloc}",
        }
        response = self.site.renderer.page(template, shared | own, status)
        if flash:
            response.delete_cookie(FLASH, path="/")
        return response

    def go(self, url: str, flash: str = "", tone: words.Tone = "good") -> Response:
        """See other, with a sentence for the page that follows."""
        response = RedirectResponse(url, 303)
        if flash:
            packed = base64.urlsafe_b64encode(msgspec.json.encode(Flash(flash[:600], tone))).decode()
            response.set_cookie(FLASH, packed, max_age=60, httponly=True, samesite="strict", secure=self.secure, path="/")
        return response

    def back(self, default: str, flash: str = "", tone: words.Tone = "good") -> Response:
        """`go` to where the form's `back` field points, if that is a page of ours."""
        return self.go(local(self.form.one("back"), default), flash, tone)

    @property
    def secure(self) -> bool:
        """Whether the browser came by HTTPS."""
        return self.request.url.scheme == "https"


def local(url: str, default: str) -> str:
    """The URL if it is a path on this site, else the default: no form can send a person elsewhere."""
    parts = urlsplit(url)
    ours = url.startswith("/") and not url.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return url if ours and url.isprintable() else default


def link(path: str, **query: object) -> str:
    """A path with those parameters that are not empty."""
    kept = {name.rstrip("_"): value for name, value in query.items() if value not in {None, ""}}
    return f"{path}?{urlencode(kept)}" if kept else path


async def blocking(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a read of the read model in a thread."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def read_form(request: Request) -> Form:
    """The posted fields. Raises BadFormError."""
    kind = request.headers.get("content-type", "").split(";")[0]
    if kind != "application/x-www-form-urlencoded":
        raise BadFormError(f"a form is application/x-www-form-urlencoded, this is {kind or 'nothing'}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_MAX:
            raise BadFormError(f"the form is larger than {FORM_MAX // 1024} KiB")
    try:
        return Form(parse_qs(body.decode(), keep_blank_values=True, max_num_fields=500, errors="strict"))
    except ValueError as e:
        raise BadFormError(f"the form cannot be read: {e}") from e


def _flash_of(request: Request) -> Flash | None:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(request.cookies.get(FLASH, "")), type=Flash)
    except (ValueError, msgspec.MsgspecError):
        return None


def _menu(deps: Deps) -> list[tuple[str, list[tuple[str, str, str, int, bool]]]]:
    dead = deps.stats.totals().dead
    numbers = {"/endpoints": len(deps.endpoints.items), "/sources": len(deps.sources.items), "/dead": dead}
    return [
        (group, [(href, label, icon, numbers.get(href, 0), href == "/dead") for href, label, icon in items])
        for group, items in MENU
    ]
