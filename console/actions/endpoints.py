"""Endpoints made, changed, paused, disabled, removed, and sent a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from console import checks, credentials
from console.actions.secrets import new_id, rotated, sealed
from console.actions.write import applied, one_at_a_time, publish, shown
from console.forms import EndpointForm, EndpointPatch, NoAuth
from console.problems import ConflictError, InvalidError, NotFoundError
from console.views import EndpointCreated, EndpointView, SecretCreated, endpoint_view, public_key, signing_secret_views
from runtime import signing
from schemas import auth as auths
from schemas import ids, topics
from schemas.records import Delivery, EndpointConfig

if TYPE_CHECKING:
    from console.deps import Deps
    from runtime.config import Endpoint

TEST_TYPE: Final = "hookstream.test"


@one_at_a_time
async def create_endpoint(deps: Deps, form: EndpointForm) -> EndpointCreated:
    """A new endpoint with its signing secret, shown this once. Raises InvalidError, ConflictError, UnavailableError."""
    _check(deps, form)
    endpoint_id = form.id or new_id("ep")
    if endpoint_id in deps.endpoints.items:
        raise ConflictError(f"endpoint {endpoint_id!r} exists: change it with PATCH, or choose another id")
    now = deps.clock.now_ms()
    signature = form.signature or "v1"
    secret = signing.new_secret(signature)
    config = EndpointConfig(
        id=endpoint_id,
        tenant=form.tenant,
        secrets=[sealed(deps.config.box, secret, now)],
        signature=signature,
        state="active",
        created_at=now,
        updated_at=now,
        **_settable(deps, form),
    )
    await applied(deps.config.put_endpoint(config))
    view = endpoint_view(found(deps, endpoint_id))
    return EndpointCreated(**msgspec.structs.asdict(view), secret=secret, public_key=public_key(secret))


@one_at_a_time
async def put_endpoint(deps: Deps, endpoint_id: str, form: EndpointForm) -> EndpointView:
    """Replace all settable fields. Raises NotFoundError, InvalidError, UnavailableError."""
    old = found(deps, endpoint_id).config
    if form.id not in {None, endpoint_id}:
        raise InvalidError([("id", f"cannot be changed: leave it out or send {endpoint_id!r}")])
    if form.tenant != old.tenant:
        raise InvalidError([("tenant", f"cannot be changed: send {old.tenant!r}, or make a new endpoint")])
    _same_signature(old, form.signature)
    _check(deps, form)
    return await _change(deps, endpoint_id, **_settable(deps, form))


@one_at_a_time
async def patch_endpoint(deps: Deps, endpoint_id: str, patch: EndpointPatch) -> EndpointView:
    """Change some fields. Raises NotFoundError, InvalidError, UnavailableError."""
    endpoint = found(deps, endpoint_id)
    given: dict[str, Any] = {k: v for k, v in msgspec.structs.asdict(patch).items() if v is not UNSET}
    old = endpoint.config
    _same_signature(old, given.get("signature"))
    before: dict[str, Any] = {name: getattr(old, name) for name in _PLAIN}
    before |= {"tenant": old.tenant, "headers": endpoint.headers, "auth": endpoint.auth}
    form = EndpointForm(**before | given)
    # Only what is asked for is judged: an endpoint made under other settings can still be renamed.
    _check(deps, form, fields=given)
    settable = _settable(deps, form)
    return await _change(deps, endpoint_id, **{name: value for name, value in settable.items() if _asked_by(name) in given})


@one_at_a_time
async def delete_endpoint(deps: Deps, endpoint_id: str) -> None:
    """Remove an endpoint; what waits for it is given up. Raises NotFoundError, UnavailableError."""
    found(deps, endpoint_id)
    await applied(deps.config.delete_endpoint(endpoint_id))


@one_at_a_time
async def rotate_endpoint_secret(
    deps: Deps, endpoint_id: str, overlap_s: float, signature: signing.Kind | None = None
) -> SecretCreated:
    """A new signing secret, of another kind if one is named; the old ones sign too until the overlap ends.

    Raises like `patch_endpoint`.
    """
    old = found(deps, endpoint_id).config
    _raise(checks.overlap(overlap_s))
    kind = signature or old.signature
    now, secret = deps.clock.now_ms(), signing.new_secret(kind)
    secrets = rotated(old.secrets, sealed(deps.config.box, secret, now), now, overlap_s)
    await _change(deps, endpoint_id, secrets=secrets, signature=kind)
    return SecretCreated(
        secret=secret,
        public_key=public_key(secret),
        secrets=signing_secret_views(found(deps, endpoint_id)),
        old_expire_at=now + round(overlap_s * 1000),
    )


@one_at_a_time
async def pause_endpoint(deps: Deps, endpoint_id: str, reason: str | None = None) -> EndpointView:
    """Hold its deliveries back; they wait. Raises ConflictError when it is disabled."""
    if found(deps, endpoint_id).config.state == "disabled":
        raise ConflictError(f"endpoint {endpoint_id!r} is disabled: enable it first")
    return await _change(deps, endpoint_id, state="paused", state_reason=reason or "paused by a person")


@one_at_a_time
async def resume_endpoint(deps: Deps, endpoint_id: str) -> EndpointView:
    """Send again what waited while it was paused. Raises ConflictError when it is disabled."""
    if found(deps, endpoint_id).config.state == "disabled":
        raise ConflictError(f"endpoint {endpoint_id!r} is disabled: enable it")
    return await _change(deps, endpoint_id, state="active", state_reason=None, disabled_by=None)


@one_at_a_time
async def disable_endpoint(deps: Deps, endpoint_id: str, reason: str | None = None) -> EndpointView:
    """Send nothing more, route nothing more to it and give up what is due; the dead can be re-driven later."""
    return await _change(deps, endpoint_id, state="disabled", state_reason=reason or "disabled by a person", disabled_by="person")


@one_at_a_time
async def resume_anyhow(deps: Deps, endpoint_id: str) -> EndpointView:
    """Make it active, whatever stopped it."""
    return await _change(deps, endpoint_id, state="active", state_reason=None, disabled_by=None)


async def send_test(deps: Deps, endpoint_id: str) -> Delivery:
    """One event of type hookstream.test to this endpoint alone. Raises NotFoundError, ConflictError, UnavailableError."""
    config = found(deps, endpoint_id).config
    if config.state == "disabled":
        raise ConflictError(f"endpoint {endpoint_id!r} is disabled: enable it first")
    now, event = deps.clock.now_ms(), new_id("evt_test")
    payload = {"type": TEST_TYPE, "timestamp": now, "data": {"endpoint_id": endpoint_id, "message": "A test from Hookstream."}}
    delivery = Delivery(
        id=ids.delivery_id(event, endpoint_id),
        webhook_id=ids.webhook_id(event, endpoint_id),
        tenant=config.tenant,
        endpoint_id=endpoint_id,
        event_id=event,
        event_type=TEST_TYPE,
        object_key=f"test/{event}",
        sequence=now,
        payload=msgspec.json.encode(payload),
        received_at=now,
        queued_at=now,
        not_before=0,
        attempt=1,
        step=0,
        lane="live",
    )
    await shown(deps, topics.DELIVERIES, await publish(deps, topics.DELIVERIES, delivery))
    return delivery


def found(deps: Deps, endpoint_id: str) -> Endpoint:
    """An endpoint. Raises NotFoundError."""
    endpoint = deps.endpoints.items.get(endpoint_id)
    if endpoint is None:
        raise NotFoundError(f"there is no endpoint {endpoint_id!r}")
    return endpoint


async def _change(deps: Deps, endpoint_id: str, **fields: Any) -> EndpointView:
    old = found(deps, endpoint_id).config
    await applied(deps.config.put_endpoint(msgspec.structs.replace(old, updated_at=deps.clock.now_ms(), **fields)))
    return endpoint_view(found(deps, endpoint_id))


_PLAIN: Final = (
    "url", "description", "event_types", "channels", "timeout_s", "max_in_flight", "retry_schedule", "ordering", "rate_limit",
    "batch_max", "batch_wait_ms", "ca",
)  # fmt: skip
"""Fields that are kept as they are sent."""


def _settable(deps: Deps, form: EndpointForm) -> dict[str, Any]:
    """Fields of the configuration that a form sets."""
    seal = deps.config.box.encrypt
    auth = None if form.auth is None or isinstance(form.auth, NoAuth) else form.auth
    return {name: getattr(form, name) for name in _PLAIN} | {
        "headers": {name: seal(value) for name, value in form.headers.items()},
        "retry_schedule": checks.schedule(form.retry_schedule)[0],
        "auth_kind": credentials.view(auth).type,
        "auth": seal(auths.seal_text(auth)) if auth is not None else None,
    }


def _asked_by(setting: str) -> str:
    """The field of the API that a setting comes from."""
    return "auth" if setting == "auth_kind" else setting


def _same_signature(old: EndpointConfig, wanted: str | None) -> None:
    if wanted not in {None, old.signature}:
        words = (
            f'is {old.signature} and changes with the secret: POST /endpoints/{old.id}/rotate-secret {{"signature": "{wanted}"}}'
        )
        raise InvalidError([("signature", words)])


def _check(deps: Deps, form: EndpointForm, fields: dict[str, Any] | None = None) -> None:
    problems = checks.endpoint(form, deps.settings.egress_allow, deps.clock.now_ms())
    if fields is not None:
        problems = [p for p in problems if p[0].split("[")[0].split(".")[0] in fields]
    _raise(problems)


def _raise(problems: list[tuple[str, str]]) -> None:
    if problems:
        raise InvalidError(problems)
