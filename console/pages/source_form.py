"""Sources made, edited and given a new secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from console import actions
from console.actions.sources import found_source
from console.forms import SourceForm, SourcePatch
from console.pages import gate
from console.pages.endpoint_form import DEFAULT_OVERLAP, OVERLAPS, errors_of, overlap_of
from console.pages.site import Errors
from console.problems import ConflictError, InvalidError
from schemas.providers import PROVIDERS, Option

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.pages.site import Form, Site, Visit


def routes(site: Site) -> list[BaseRoute]:
    """Forms under `/sources`. They stand before `/sources/{id}`."""
    return [
        gate.page(site, "/sources/new", _new),
        gate.post(site, "/sources/new", _create),
        gate.page(site, "/sources/{id}/edit", _edit),
        gate.post(site, "/sources/{id}/edit", _save),
        gate.page(site, "/sources/{id}/rotate", _ask_rotate),
        gate.post(site, "/sources/{id}/rotate", _rotate),
    ]


async def _new(visit: Visit) -> Response:
    provider = visit.query.get("provider", "")
    values = {"id": provider if provider not in visit.deps.sources.items else "", "description": "", "secrets": "",
              "tenant": "default", "external_url": "", "ip_allowlist": "", "options": {}}  # fmt: skip
    return _show(visit, "New source", provider, values)


async def _create(visit: Visit) -> Response:
    form = visit.form
    wanted = SourceForm(
        provider=form.one("provider"),
        id=form.one("id") or None,
        secrets=[line.strip() for line in form.one("secrets").splitlines() if line.strip()],
        tenant=form.one("tenant") or "default",
        **_settable(form),
    )
    try:
        created = await actions.create_source(visit.deps, wanted)
    except InvalidError as e:
        return _show(visit, "New source", form.one("provider"), _typed(form), errors_of(e))
    except ConflictError:
        return _show(
            visit, "New source", form.one("provider"), _typed(form), {"id": "A source of this id exists: choose another"}
        )
    return visit.go(f"/sources/{created.id}", "Source created: paste its URL at the provider.")


async def _edit(visit: Visit) -> Response:
    config = found_source(visit.deps, visit.path["id"]).config
    values = {
        "description": config.description,
        "external_url": config.external_url or "",
        "ip_allowlist": "\n".join(config.ip_allowlist),
        "options": config.options,
    }
    return _show(visit, "Edit source", config.provider, values)


async def _save(visit: Visit) -> Response:
    config = found_source(visit.deps, visit.path["id"]).config
    try:
        await actions.patch_source(visit.deps, config.id, SourcePatch(**_settable(visit.form)))
    except InvalidError as e:
        return _show(visit, "Edit source", config.provider, _typed(visit.form), errors_of(e))
    return visit.go(f"/sources/{config.id}", "Saved. It holds from the next request on.")


def _show(visit: Visit, title: str, provider: str, values: dict[str, Any], errors: dict[str, str] | None = None) -> Response:
    found = PROVIDERS.get(provider)
    needed = [o for o in found.options if o.required or o.choices] if found else []
    extra = [o for o in found.options if o not in needed] if found else []
    return visit.page(
        "source_form.html",
        title=title,
        here="/sources",
        status=422 if errors else 200,
        id=visit.path.get("id", ""),
        provider=found,
        providers=PROVIDERS.values(),
        needed=needed,
        extra=extra,
        extra_open=any(o.name in values["options"] or f"options.{o.name}" in (errors or {}) for o in extra),
        v=values,
        errors=Errors(errors or {}),
        options_of=_choices,
    )


def _choices(option: Option) -> list[tuple[str, str]]:
    return [(choice, choice) for choice in option.choices]


def _settable(form: Form) -> dict[str, Any]:
    return {
        "description": form.one("description"),
        "external_url": form.one("external_url") or None,
        "ip_allowlist": form.listed("ip_allowlist"),
        "options": form.prefixed("options."),
    }


def _typed(form: Form) -> dict[str, Any]:
    """What was typed, to be shown again; secrets are not."""
    names = ("id", "description", "tenant", "external_url", "ip_allowlist")
    return {**{name: form.one(name) for name in names}, "secrets": "", "options": form.prefixed("options.")}


async def _ask_rotate(visit: Visit) -> Response:
    return _rotation(visit, {})


def _rotation(visit: Visit, errors: dict[str, str]) -> Response:
    config = found_source(visit.deps, visit.path["id"]).config
    provider = PROVIDERS.get(config.provider)
    return visit.page(
        "rotate.html",
        title="Take the provider's new secret",
        here="/sources",
        status=422 if errors else 200,
        back=f"/sources/{config.id}",
        name=config.id,
        answer="Webhooks signed with either secret are accepted until the overlap ends.",
        ask_secret=True,
        key_help=provider.key_help if provider else "",
        overlap=visit.form.one("overlap") or DEFAULT_OVERLAP,
        overlaps=OVERLAPS,
        errors=Errors(errors),
    )


async def _rotate(visit: Visit) -> Response:
    overlap = overlap_of(visit.form)
    if overlap is None:
        return _rotation(visit, {"overlap": "Choose one of the list"})
    try:
        await actions.rotate_source_secret(visit.deps, visit.path["id"], visit.form.one("secret"), overlap)
    except InvalidError as e:
        return _rotation(visit, errors_of(e))
    return visit.go(f"/sources/{visit.path['id']}", "The new secret is in use.")
