"""Templates to responses: one Jinja environment with autoescape, and what every page gets besides its own data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from starlette.responses import HTMLResponse

from console.pages import format as f
from console.pages import words

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE: Final = Path(__file__).resolve().parent.parent
STATIC: Final = HERE / "static"


def environment() -> jinja2.Environment:
    """The templates with the filters of `console.pages.format`. A missing variable is an error, not a blank."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "absolute",
        "axis",
        "breakable",
        "clock",
        "compact",
        "count",
        "duration",
        "iso",
        "percent",
        "plural",
        "relative",
        "short",
        "short_url",
        "size",
    ):
        env.filters[name] = getattr(f, name)
    env.filters["state"] = words.state
    env.filters["cause"] = words.cause
    env.globals["static"] = Static(STATIC).url
    return env


class Static:
    """URLs of static files with a print of their content, so that browsers may keep them for ever."""

    def __init__(self, folder: Path) -> None:
        self._prints = {p.name: hashlib.sha256(p.read_bytes()).hexdigest()[:10] for p in folder.iterdir() if p.is_file()}

    def url(self, name: str) -> str:
        """URL of a file. Raises KeyError when there is none."""
        return f"/static/{name}?v={self._prints[name]}"


class Renderer:
    """Renders a template with the page's own values over the shared ones."""

    def __init__(self, env: jinja2.Environment) -> None:
        self._env = env

    def page(self, template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        """The template as a response."""
        return HTMLResponse(self._env.get_template(template).render(context), status)
