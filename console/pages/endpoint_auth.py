"""Credentials in the endpoint's form: typed ones taken, stored ones kept where nothing is typed, none ever shown. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.auth import Basic, Bearer, Mtls, OAuth2

if TYPE_CHECKING:
    from console.pages.site import Form
    from schemas.auth import Auth

SHOWN: Final = ("username", "token_url", "client_id", "scope", "certificate")
SECRET: Final = ("password", "token", "client_secret", "private_key")
_KINDS: Final[dict[str, type[Auth]]] = {"basic": Basic, "bearer": Bearer, "oauth2": OAuth2, "mtls": Mtls}


def auth_of(form: Form, kept: Auth | None, wrong: list[tuple[str, str]]) -> Auth | None:
    """The credentials of a form; a secret left empty is the stored one while the kind is the same."""
    kind = _KINDS.get(form.one("auth_type", "none"))
    if kind is None:
        return None
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        value = form.one(f"auth_{field.name}")
        if not value and field.name in SECRET:
            value = getattr(kept, field.name) if isinstance(kept, kind) else ""
            if not value and kind is not Basic:
                wrong.append((f"auth.{field.name}", "is required: nothing is stored that could be kept"))
        values[field.name] = value or (None if field.name == "scope" else "")
    return kind(**values)


def auth_values(auth: Auth | None) -> dict[str, str]:
    """What of stored credentials stands in the form."""
    kind = next((name for name, kind in _KINDS.items() if isinstance(auth, kind)), "none")
    return {"auth_type": kind} | {f"auth_{name}": getattr(auth, name, None) or "" for name in SHOWN}


def auth_typed(form: Form) -> dict[str, str]:
    """What was typed, to be shown again."""
    return {"auth_type": form.one("auth_type", "none")} | {f"auth_{name}": form.one(f"auth_{name}") for name in SHOWN}
