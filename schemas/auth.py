"""How the hub names itself to an endpoint, beside the signature: what is sealed in `EndpointConfig.auth` as JSON.

`seal_text` and `parse` are the two ends; `auth_kind` of the configuration repeats the kind in plain text.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Basic(msgspec.Struct, frozen=True, kw_only=True, tag="basic", tag_field="type", forbid_unknown_fields=True):
    """RFC 7617."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Basic({self.username!r})"


class Bearer(msgspec.Struct, frozen=True, kw_only=True, tag="bearer", tag_field="type", forbid_unknown_fields=True):
    """RFC 6750: a token that does not change."""

    token: str

    def __repr__(self) -> str:
        return "Bearer()"


class OAuth2(msgspec.Struct, frozen=True, kw_only=True, tag="oauth2", tag_field="type", forbid_unknown_fields=True):
    """RFC 6749 section 4.4, client credentials."""

    token_url: str
    client_id: str
    client_secret: str
    scope: str | None = None

    def __repr__(self) -> str:
        return f"OAuth2({self.token_url!r}, {self.client_id!r})"


class Mtls(msgspec.Struct, frozen=True, kw_only=True, tag="mtls", tag_field="type", forbid_unknown_fields=True):
    """A client certificate with its chain, and its key: PEM."""

    certificate: str
    private_key: str

    def __repr__(self) -> str:
        return "Mtls()"


Auth = Basic | Bearer | OAuth2 | Mtls
_DECODER: Final[msgspec.json.Decoder[Auth]] = msgspec.json.Decoder(Auth)


def seal_text(auth: Auth) -> str:
    """What is to be encrypted."""
    return msgspec.json.encode(auth).decode()


def parse(text: str) -> Auth:
    """What was decrypted. Raises ValueError."""
    return _DECODER.decode(text)
