"""Endpoints made, edited and given a new secret, by forms that keep what was typed when a field is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from console import actions
from console.actions.endpoints import found
from console.forms import EndpointForm, EndpointPatch
from console.pages import gate
from console.pages.endpoint_auth import auth_of, auth_typed, auth_values
from console.pages.endpoint_words import AUTHS, ORDERINGS, SIGNATURES
from console.pages.format import span
from console.pages.site import Errors, blocking
from console.pages.snippets import javascript, python
from console.problems import ConflictError, InvalidError
from runtime.durations import show
from schemas.operational import OPERATIONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from console.pages.site import Form, Site, Visit
    from schemas.auth import Auth
    from schemas.records import EndpointConfig

GROUPS: Final = (
    ("*", "Everything"),
    ("order.*", "Orders"),
    ("inventory.*", "Inventory"),
    ("shipment.*", "Shipments"),
    ("payment.*", "Payments"),
)
OWN_GROUPS: Final = (
    ("endpoint.*", "Endpoint failing, recovered, disabled"),
    ("delivery.*", "Delivery given up"),
)
TYPES: Final = (
    "order.created", "order.updated", "order.cancelled", "order.released", "order.fulfilled", "order.refunded",
    "inventory.updated", "inventory.low", "inventory.out_of_stock",
    "shipment.created", "shipment.updated", "shipment.delivered", "shipment.exception",
    "payment.authorized", "payment.captured", "payment.failed", "payment.refunded",
    *OPERATIONAL,
)  # fmt: skip
OVERLAPS: Final = (("0", "none: the old secret stops now"), ("3600", "1 hour"), ("86400", "24 hours"), ("604800", "7 days"))
DEFAULT_OVERLAP: Final = "86400"


def routes(site: Site) -> list[BaseRoute]:
    """Forms under `/endpoints`. They stand before `/endpoints/{id}`, whose id could be "new"."""
    return [
        gate.page(site, "/endpoints/new", _new),
        gate.post(site, "/endpoints/new", _create),
        gate.page(site, "/endpoints/{id}/edit", _edit),
        gate.post(site, "/endpoints/{id}/edit", _save),
        gate.page(site, "/endpoints/{id}/rotate", _ask_rotate),
        gate.post(site, "/endpoints/{id}/rotate", _rotate),
    ]


async def _new(visit: Visit) -> Response:
    values = {"url": "", "description": "", "event_types": ["*"], "channels": "", "headers": "", "retry_schedule": "",
              "timeout_s": "15", "max_in_flight": "64", "tenant": "default", "ordering": "none", "rate_limit": "", "batch_max": "1",
              "batch_wait_ms": "0", "signature": "v1", "ca": "", **auth_values(None)}  # fmt: skip
    return await _show(visit, "New endpoint", values)


async def _create(visit: Visit) -> Response:
    form = visit.form
    try:
        fields = settable(form, {}) | {"signature": "v1a" if form.one("signature") == "v1a" else "v1"}
        created = await actions.create_endpoint(visit.deps, EndpointForm(tenant=form.one("tenant") or "default", **fields))
    except (InvalidError, ConflictError) as e:
        return await _show(visit, "New endpoint", typed(form), errors_of(e))
    said = f"{created.url} gets signed webhooks from now on."
    return _secret(visit, created.id, created.secret, created.public_key, "Endpoint created", said)


async def _edit(visit: Visit) -> Response:
    endpoint = found(visit.deps, visit.path["id"])
    config = endpoint.config
    values = {
        "url": config.url,
        "description": config.description,
        "event_types": config.event_types,
        "channels": ", ".join(config.channels),
        "headers": "\n".join(f"{name}: " for name in config.headers),
        "retry_schedule": ", ".join(show(s) for s in config.retry_schedule),
        "timeout_s": f"{config.timeout_s:g}",
        "max_in_flight": str(config.max_in_flight),
        "tenant": config.tenant,
        "ordering": config.ordering,
        "rate_limit": "" if config.rate_limit is None else f"{config.rate_limit:g}",
        "batch_max": str(config.batch_max),
        "batch_wait_ms": str(config.batch_wait_ms),
        "signature": config.signature,
        "ca": config.ca or "",
        **auth_values(endpoint.auth),
    }
    return await _show(visit, "Edit endpoint", values)


async def _save(visit: Visit) -> Response:
    endpoint = found(visit.deps, visit.path["id"])
    try:
        fields = settable(visit.form, endpoint.headers, endpoint.auth)
        await actions.patch_endpoint(visit.deps, visit.path["id"], EndpointPatch(**fields))
    except InvalidError as e:
        return await _show(visit, "Edit endpoint", typed(visit.form), errors_of(e))
    return visit.go(f"/endpoints/{visit.path['id']}", "Saved. It holds from the next attempt on.")


async def _show(visit: Visit, title: str, values: dict[str, Any], errors: dict[str, str] | None = None) -> Response:
    endpoint_id = visit.path.get("id", "")
    kept = found(visit.deps, endpoint_id) if endpoint_id else None
    seen = await blocking(visit.deps.queries.event_types)
    own = [t.type for t in seen if t.type not in TYPES and not t.type.startswith("hookstream.")]
    offered = {*TYPES, *own, *(name for name, _ in (*GROUPS, *OWN_GROUPS))}
    return visit.page(
        "endpoint_form.html",
        title=title,
        here="/endpoints",
        status=422 if errors else 200,
        id=endpoint_id,
        v=values,
        errors=Errors(errors or {}),
        groups=GROUPS,
        own_groups=OWN_GROUPS,
        types=[*TYPES, *own],
        picked_exact=any(t in {*TYPES, *own} for t in values["event_types"]),
        other=", ".join(t for t in values["event_types"] if t not in offered),
        kept_headers=", ".join(kept.config.headers) if kept else "",
        kept_auth=kept.config.auth_kind if kept else "none",
        choices={"ordering": ORDERINGS, "signature": SIGNATURES, "auth": AUTHS},
        signature_words=dict(SIGNATURES).get(values["signature"], values["signature"]),
        default_schedule=", ".join(show(s) for s in visit.deps.settings.retry_schedule),
    )


def settable(form: Form, kept_headers: Mapping[str, str], kept_auth: Auth | None = None) -> dict[str, Any]:
    """The form's fields as the actions take them. Raises InvalidError for what cannot be read at all. Pure."""
    wrong: list[tuple[str, str]] = []
    fields = {
        "url": form.one("url"),
        "description": form.one("description"),
        "event_types": list(dict.fromkeys([*form.many("event_type"), *form.listed("other_types")])),
        "channels": form.listed("channels"),
        "headers": _headers(form.one("headers"), kept_headers, wrong),
        "timeout_s": _number(form, "timeout_s", float, wrong),
        "max_in_flight": _number(form, "max_in_flight", int, wrong),
        "retry_schedule": form.listed("retry_schedule"),
        "ordering": form.one("ordering", "none"),
        "rate_limit": _number(form, "rate_limit", float, wrong) if form.one("rate_limit") else None,
        "batch_max": _number(form, "batch_max", int, wrong, "1"),
        "batch_wait_ms": _number(form, "batch_wait_ms", int, wrong, "0"),
        "auth": auth_of(form, kept_auth, wrong),
        "ca": form.one("ca") or None,
    }
    if fields["ordering"] not in dict(ORDERINGS):
        wrong.append(("ordering", "choose one of the list"))
    if wrong:
        raise InvalidError(wrong)
    return fields


def typed(form: Form) -> dict[str, Any]:
    """What was typed, to be shown again. Header values are not: they can be credentials. Pure."""
    names = ("url", "description", "channels", "retry_schedule", "timeout_s", "max_in_flight", "tenant", "ordering", "rate_limit",
             "batch_max", "batch_wait_ms", "signature", "ca")  # fmt: skip
    lines = form.one("headers").splitlines()
    return {
        **{name: form.one(name) for name in names},
        **auth_typed(form),
        "event_types": [*form.many("event_type"), *form.listed("other_types")],
        "headers": "\n".join(f"{line.partition(':')[0].strip()}: " for line in lines if line.strip()),
    }


def _headers(text: str, kept: Mapping[str, str], wrong: list[tuple[str, str]]) -> dict[str, str]:
    found_headers: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not name and not value:
            continue
        if not colon:
            wrong.append(("headers", f"{line.strip()[:60]!r} is no header: write it as Name: value"))
        elif value:
            found_headers[name] = value
        elif name in kept:
            found_headers[name] = kept[name]
        else:
            wrong.append(("headers", f"{name} needs a value: write it behind the colon"))
    return found_headers


def _number(form: Form, name: str, kind: type[int | float], wrong: list[tuple[str, str]], absent: str = "") -> float:
    try:
        return kind(form.one(name, absent))
    except ValueError:
        wrong.append((name, "want a number"))
        return 0


def errors_of(problem: InvalidError | ConflictError) -> dict[str, str]:
    """Messages by field of the form: "event_types[0]" belongs to event_types, "headers.X" to headers, "auth.token" to
    auth_token. Pure."""
    found_errors: dict[str, str] = {}
    for error in problem.problem.errors:
        base = error.field.split("[")[0]
        field = (
            base if base.startswith("options.") else base.replace(".", "_") if base.startswith("auth.") else base.split(".")[0]
        )
        message = error.message[:1].upper() + error.message[1:]
        found_errors[field] = f"{found_errors[field]}; {message}" if field in found_errors else message
    return found_errors or {"": problem.problem.detail}


async def _ask_rotate(visit: Visit) -> Response:
    config = found(visit.deps, visit.path["id"]).config
    return _rotation(visit, config, {})


def _rotation(visit: Visit, config: EndpointConfig, errors: dict[str, str]) -> Response:
    return visit.page(
        "rotate.html",
        title="Rotate the signing secret",
        here="/endpoints",
        status=422 if errors else 200,
        back=f"/endpoints/{visit.path['id']}",
        name=config.url,
        signature=visit.form.one("signature") or config.signature,
        signatures=SIGNATURES,
        answer="A new secret is made and shown once. Until the overlap ends, every webhook is signed with both, so the receiver can change over without a gap.",
        ask_secret=False,
        overlap=visit.form.one("overlap") or DEFAULT_OVERLAP,
        overlaps=OVERLAPS,
        errors=Errors(errors),
    )


async def _rotate(visit: Visit) -> Response:
    config = found(visit.deps, visit.path["id"]).config
    overlap = overlap_of(visit.form)
    if overlap is None:
        return _rotation(visit, config, {"overlap": "Choose one of the list"})
    kind: Literal["v1", "v1a"] = "v1a" if visit.form.one("signature", config.signature) == "v1a" else "v1"
    created = await actions.rotate_endpoint_secret(visit.deps, config.id, overlap, kind)
    both = f"Webhooks are signed with the old one too for {span(overlap)}." if overlap else "The old one stopped signing now."
    return _secret(visit, config.id, created.secret, created.public_key, "New signing secret", both)


def overlap_of(form: Form) -> float | None:
    """The chosen overlap in seconds; None when it is none of the list. Pure."""
    chosen = form.one("overlap", DEFAULT_OVERLAP)
    return float(chosen) if chosen in {value for value, _ in OVERLAPS} else None


def _secret(visit: Visit, endpoint_id: str, secret: str, public_key: str | None, title: str, said: str) -> Response:
    """The one page that shows a secret; it is never cached, like all pages here."""
    return visit.page(
        "secret.html",
        title=title,
        here="/endpoints",
        id=endpoint_id,
        secret=secret,
        public_key=public_key,
        answer=said,
        python=python(key_pair=public_key is not None),
        javascript=javascript(key_pair=public_key is not None),
    )
