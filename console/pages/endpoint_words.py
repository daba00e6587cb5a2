"""Settings of an endpoint in words, for its page and its form: what each choice does, so that one can choose. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console.pages.format import count, duration, three

if TYPE_CHECKING:
    from console.views import EndpointView

ORDERINGS: Final = (
    ("none", "None: every delivery goes as soon as it can"),
    ("key", "By object: the events of one order, parcel or product arrive in their order"),
    ("latest", "Newest only: what waits behind a newer event of its object is not sent"),
)
SIGNATURES: Final = (
    ("v1", "v1: one secret shared with the receiver (HMAC-SHA256); every library knows it"),
    ("v1a", "v1a: a key pair (ed25519); the receiver gets the public key only"),
)
AUTHS: Final = (
    ("none", "Nothing but the signature"),
    ("basic", "User name and password (Basic)"),
    ("bearer", "A token (Bearer)"),
    ("oauth2", "OAuth 2, client credentials"),
    ("mtls", "A client certificate (mTLS)"),
)
_ORDER: Final = {
    "none": "none",
    "key": "by object: a failing delivery holds back those of its object alone",
    "latest": "newest only, by object",
}


def facts(view: EndpointView) -> list[tuple[str, str]]:
    """What is set beyond the ordinary, as (name, words)."""
    found = [
        ("Order", _ORDER.get(view.ordering, view.ordering)),
        ("Rate", f"at most {_rate(view.rate_limit)}" if view.rate_limit is not None else "no limit of its own"),
        ("Batches", _batches(view)),
        ("Signature", "v1, shared secret" if view.signature == "v1" else "v1a, key pair"),
        ("Credentials", _credentials(view)),
    ]
    return found if view.auth.type != "none" else found[:-1]


def _rate(limit: float) -> str:
    number = count(limit) if float(limit).is_integer() else three(limit)
    return f"{number} request{'' if limit == 1 else 's'} a second"


def _batches(view: EndpointView) -> str:
    if view.batch_max == 1:
        return "none, one event a request"
    waits = f", gathered for {duration(view.batch_wait_ms)}" if view.batch_wait_ms else ", of what waits anyway"
    return f"up to {view.batch_max} events a request{waits}"


def _credentials(view: EndpointView) -> str:
    auth = view.auth
    match auth.type:
        case "basic":
            return f"Basic, as {auth.username}"
        case "bearer":
            return "Bearer token"
        case "oauth2":
            return f"OAuth 2, as {auth.client_id} at {auth.token_url}"
    return "Client certificate"
