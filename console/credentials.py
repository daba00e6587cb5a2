"""An endpoint's credentials and certificates: what they may be, and what of them is shown. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from console import certificates
from console.certificates import CertificateView  # noqa: TC001 - msgspec resolves the annotations
from console.urls import problem_of
from schemas.auth import Basic, Bearer, Mtls, OAuth2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from console.forms import EndpointForm
    from runtime.settings import Network
    from schemas.auth import Auth

Problems = list[tuple[str, str]]
TEXT_MAX: Final = 4096
_BEARER: Final = re.compile(r"[\x21-\x7e]+")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749 section 3.3


class AuthView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the hub names itself to an endpoint, without what is secret."""

    type: str  # none, basic, bearer, oauth2 or mtls
    username: str | None = None
    token_url: str | None = None
    client_id: str | None = None
    scope: str | None = None
    certificates: list[CertificateView] = []  # the client's own first


def view(auth: Auth | None) -> AuthView:
    """Credentials as callers see them."""
    match auth:
        case Basic():
            return AuthView(type="basic", username=auth.username)
        case Bearer():
            return AuthView(type="bearer")
        case OAuth2():
            return AuthView(type="oauth2", token_url=auth.token_url, client_id=auth.client_id, scope=auth.scope)
        case Mtls():
            return AuthView(type="mtls", certificates=certificates.views(auth.certificate))
    return AuthView(type="none")


def problems(form: EndpointForm, allowed: Iterable[Network], now_ms: int) -> Problems:
    """What is wrong with the credentials and the certificates of an endpoint. Nothing of a secret is repeated."""
    found = _together(form)
    match form.auth:
        case Basic():
            found += _basic(form.auth)
        case Bearer():
            found += _rule(
                "auth.token", well=_fits(_BEARER, form.auth.token), words="want the token alone, printable ASCII without blanks"
            )
        case OAuth2():
            found += _oauth2(form.auth, allowed)
        case Mtls():
            wrong = certificates.client_problems(form.auth.certificate, form.auth.private_key, now_ms)
            found += [(f"auth.{field}", words) for field, words in wrong]
    if form.ca is not None:
        words = certificates.authority_problem(form.ca, now_ms)
        found += [("ca", words)] if words else []
    return found


def _together(form: EndpointForm) -> Problems:
    """What does not go together is named at both fields: a change may touch either."""
    secure = form.url.lower().startswith("https://")
    found: Problems = []
    if isinstance(form.auth, Mtls) and not secure:
        found += [
            ("url", "must begin with https://, for a client certificate"),
            ("auth", "a client certificate needs an https:// URL"),
        ]
    if form.ca is not None and not secure:
        found += [("url", "must begin with https://, for a ca"), ("ca", "certificates need an https:// URL")]
    named = isinstance(form.auth, Basic | Bearer | OAuth2)
    if named and any(name.lower() == "authorization" for name in form.headers):
        words = "the header Authorization is set by auth: keep one of the two"
        found += [("headers.Authorization", words), ("auth", words)]
    return found


def _basic(auth: Basic) -> Problems:
    # RFC 7617 section 2: no colon in the name, no control characters in either.
    return [
        *_rule(
            "auth.username", well=_plain(auth.username) and ":" not in auth.username, words="want 1 to 4096 characters, no colon"
        ),
        *_rule(
            "auth.password",
            well=auth.password == "" or _plain(auth.password),
            words="want at most 4096 characters, no line breaks",
        ),
    ]


def _oauth2(auth: OAuth2, allowed: Iterable[Network]) -> Problems:
    wrong = problem_of(auth.token_url, allowed)
    return [
        *([("auth.token_url", wrong)] if wrong else []),
        *_rule("auth.client_id", well=_plain(auth.client_id), words="want 1 to 4096 printable characters"),
        *_rule("auth.client_secret", well=_plain(auth.client_secret), words="want 1 to 4096 printable characters"),
        *_rule("auth.scope", well=auth.scope is None or _fits(_SCOPE, auth.scope), words="want scopes separated by single blanks, or null"),
    ]  # fmt: skip


def _rule(field: str, *, well: bool, words: str) -> Problems:
    return [] if well else [(field, words)]


def _plain(text: str) -> bool:
    return 1 <= len(text) <= TEXT_MAX and text.isprintable()


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    return len(text) <= TEXT_MAX and pattern.fullmatch(text) is not None
