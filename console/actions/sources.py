"""Sources made, changed and removed; their secrets come from the providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from console import checks
from console.actions.secrets import rotated, sealed
from console.actions.write import applied, one_at_a_time
from console.forms import SourceForm, SourcePatch
from console.problems import ConflictError, InvalidError, NotFoundError
from console.views import SourceView, source_view
from schemas.records import SourceConfig

if TYPE_CHECKING:
    from console.deps import Deps
    from runtime.config import Source


@one_at_a_time
async def create_source(deps: Deps, form: SourceForm) -> SourceView:
    """A new source. Raises InvalidError, ConflictError, UnavailableError."""
    _raise(checks.source(form))
    source_id = form.id or form.provider
    if source_id in deps.sources.items:
        raise ConflictError(f"source {source_id!r} exists: change it with PATCH, or choose another id")
    now = deps.clock.now_ms()
    config = SourceConfig(
        id=source_id,
        provider=form.provider,
        tenant=form.tenant,
        secrets=[sealed(deps.config.box, s, now) for s in form.secrets],
        created_at=now,
        updated_at=now,
        **_settable(form),
    )
    await applied(deps.config.put_source(config))
    return source_view(found_source(deps, source_id))


@one_at_a_time
async def put_source(deps: Deps, source_id: str, form: SourceForm) -> SourceView:
    """Replace all settable fields; secrets only when some are sent. Raises NotFoundError, InvalidError, UnavailableError."""
    return await _put(deps, source_id, form)


@one_at_a_time
async def patch_source(deps: Deps, source_id: str, patch: SourcePatch) -> SourceView:
    """Change some fields. Raises NotFoundError, InvalidError, UnavailableError."""
    old = found_source(deps, source_id).config
    given: dict[str, Any] = {k: v for k, v in msgspec.structs.asdict(patch).items() if v is not UNSET}
    kept = {name: getattr(old, name) for name in ("description", "external_url", "ip_allowlist", "options", "enabled")}
    form = SourceForm(**{"provider": old.provider, "tenant": old.tenant, **kept, **given})
    return await _put(deps, source_id, form)


@one_at_a_time
async def delete_source(deps: Deps, source_id: str) -> None:
    """Remove a source; what it sends from now on is refused. Raises NotFoundError, UnavailableError."""
    found_source(deps, source_id)
    await applied(deps.config.delete_source(source_id))


@one_at_a_time
async def rotate_source_secret(deps: Deps, source_id: str, secret: str, overlap_s: float) -> SourceView:
    """Take the provider's new secret; the old ones are accepted too until the overlap ends."""
    old = found_source(deps, source_id).config
    wanted = SourceForm(
        provider=old.provider, tenant=old.tenant, options=old.options, external_url=old.external_url, secrets=[secret]
    )
    secret_problems = [("secret", text) for field, text in checks.source(wanted) if field.startswith("secrets")]
    _raise([*secret_problems, *checks.overlap(overlap_s)])
    now = deps.clock.now_ms()
    return await _change(deps, source_id, secrets=rotated(old.secrets, sealed(deps.config.box, secret, now), now, overlap_s))


def found_source(deps: Deps, source_id: str) -> Source:
    """A source. Raises NotFoundError."""
    source = deps.sources.items.get(source_id)
    if source is None:
        raise NotFoundError(f"there is no source {source_id!r}")
    return source


async def _put(deps: Deps, source_id: str, form: SourceForm) -> SourceView:
    source = found_source(deps, source_id)
    old = source.config
    fixed = {"id": form.id in {None, source_id}, "tenant": form.tenant == old.tenant, "provider": form.provider == old.provider}
    _raise([(name, "cannot be changed: make a new source") for name, same in fixed.items() if not same])
    _raise(checks.source(form if form.secrets else msgspec.structs.replace(form, secrets=[s.value for s in source.secrets])))
    fields = _settable(form)
    if form.secrets:
        now = deps.clock.now_ms()
        fields["secrets"] = [sealed(deps.config.box, s, now) for s in form.secrets]
    return await _change(deps, source_id, **fields)


async def _change(deps: Deps, source_id: str, **fields: Any) -> SourceView:
    old = found_source(deps, source_id).config
    await applied(deps.config.put_source(msgspec.structs.replace(old, updated_at=deps.clock.now_ms(), **fields)))
    return source_view(found_source(deps, source_id))


def _settable(form: SourceForm) -> dict[str, Any]:
    return {
        "description": form.description,
        "external_url": form.external_url,
        "ip_allowlist": form.ip_allowlist,
        "options": form.options,
        "enabled": form.enabled,
    }


def _raise(problems: list[tuple[str, str]]) -> None:
    if problems:
        raise InvalidError(problems)
