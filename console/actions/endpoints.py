"""Endpoints made, changed, paused, disabled, removed, and sent a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from console import checks
from console.actions.secrets import new_id, new_signing_secret, rotated, sealed
from console.actions.write import applied, one_at_a_time, publish, shown
from console.forms import EndpointForm, EndpointPatch
from console.problems import ConflictError, InvalidError, NotFoundError
from console.views import EndpointCreated, EndpointView, SecretCreated, endpoint_view, secret_views
from schemas import ids, topics
from schemas.records import Delivery, EndpointConfig

if TYPE_CHECKING:
    from console.deps import Deps
    from runtime.config import Endpoint

TEST_TYPE = "hookstream.test"


@one_at_a_time
async def create_endpoint(deps: Deps, form: EndpointForm) -> EndpointCreated:
    """A new endpoint with its signing secret, shown this once. Raises InvalidError, ConflictError, UnavailableError."""
    _check(deps, form)
    endpoint_id = form.id or new_id("ep")
    if endpoint_id in deps.endpoints.items:
        raise ConflictError(f"endpoint {endpoint_id!r} exists: change it with PATCH, or choose another id")
    now = deps.clock.now_ms()
    secret = new_signing_secret()
    config = EndpointConfig(
        id=endpoint_id,
        tenant=form.tenant,
        secrets=[sealed(deps.config.box, secret, now)],
        state="active",
        created_at=now,
        updated_at=now,
        **_settable(deps, form),
    )
    await applied(deps.config.put_endpoint(config))
    view = endpoint_view(found(deps, endpoint_id))
    return EndpointCreated(**msgspec.structs.asdict(view), secret=secret)


@one_at_a_time
async def put_endpoint(deps: Deps, endpoint_id: str, form: EndpointForm) -> EndpointView:
    """Replace all settable fields. Raises NotFoundError, InvalidError, UnavailableError."""
    old = found(deps, endpoint_id).config
    if form.id not in {None, endpoint_id}:
        raise InvalidError([("id", f"cannot be changed: leave it out or send {endpoint_id!r}")])
    if form.tenant != old.tenant:
        raise InvalidError([("tenant", f"cannot be changed: send {old.tenant!r}, or make a new endpoint")])
    _check(deps, form)
    return await _change(deps, endpoint_id, **_settable(deps, form))


@one_at_a_time
async def patch_endpoint(deps: Deps, endpoint_id: str, patch: EndpointPatch) -> EndpointView:
    """Change some fields. Raises NotFoundError, InvalidError, UnavailableError."""
    endpoint = found(deps, endpoint_id)
    given: dict[str, Any] = {k: v for k, v in msgspec.structs.asdict(patch).items() if v is not UNSET}
    old = endpoint.config
    before: dict[str, Any] = {
        "url": old.url,
        "tenant": old.tenant,
        "description": old.description,
        "event_types": old.event_types,
        "channels": old.channels,
        "headers": endpoint.headers,
        "timeout_s": old.timeout_s,
        "max_in_flight": old.max_in_flight,
        "retry_schedule": list(old.retry_schedule),
    }
    form = EndpointForm(**before | given)
    # Only what is asked for is judged: an endpoint made under other settings can still be renamed.
    _check(deps, form, fields=given)
    settable = _settable(deps, form)
    return await _change(deps, endpoint_id, **{name: settable[name] for name in given if name in settable})


@one_at_a_time
async def delete_endpoint(deps: Deps, endpoint_id: str) -> None:
    """Remove an endpoint; what waits for it is given up. Raises NotFoundError, UnavailableError."""
    found(deps, endpoint_id)
    await applied(deps.config.delete_endpoint(endpoint_id))


@one_at_a_time
async def rotate_endpoint_secret(deps: Deps, endpoint_id: str, overlap_s: float) -> SecretCreated:
    """A new signing secret; the old ones sign too until the overlap ends. Raises like `patch_endpoint`."""
    old = found(deps, endpoint_id).config
    _raise(checks.overlap(overlap_s))
    now, secret = deps.clock.now_ms(), new_signing_secret()
    secrets = rotated(old.secrets, sealed(deps.config.box, secret, now), now, overlap_s)
    await _change(deps, endpoint_id, secrets=secrets)
    return SecretCreated(secret=secret, secrets=secret_views(secrets), old_expire_at=now + round(overlap_s * 1000))


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
    return await _change(deps, endpoint_id, state="active", state_reason=None)


@one_at_a_time
async def disable_endpoint(deps: Deps, endpoint_id: str, reason: str | None = None) -> EndpointView:
    """Send nothing more and give up what is due; the dead can be re-driven later."""
    return await _change(deps, endpoint_id, state="disabled", state_reason=reason or "disabled by a person")


@one_at_a_time
async def enable_endpoint(deps: Deps, endpoint_id: str) -> EndpointView:
    """Send again, whatever stopped it."""
    return await _change(deps, endpoint_id, state="active", state_reason=None)


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


def _settable(deps: Deps, form: EndpointForm) -> dict[str, Any]:
    """Fields of the configuration that a form sets."""
    return {
        "url": form.url,
        "description": form.description,
        "event_types": form.event_types,
        "channels": form.channels,
        "headers": {name: deps.config.box.encrypt(value) for name, value in form.headers.items()},
        "timeout_s": float(form.timeout_s),
        "max_in_flight": form.max_in_flight,
        "retry_schedule": checks.schedule(form.retry_schedule)[0],
    }


def _check(deps: Deps, form: EndpointForm, fields: dict[str, Any] | None = None) -> None:
    problems = checks.endpoint(form, deps.settings.egress_allow)
    if fields is not None:
        problems = [p for p in problems if p[0].split("[")[0].split(".")[0] in fields]
    _raise(problems)


def _raise(problems: list[tuple[str, str]]) -> None:
    if problems:
        raise InvalidError(problems)
