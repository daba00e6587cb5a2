"""Any provider that signs with an HMAC: header, hash, encoding, prefix and signed content are options of the source.

`schemas.providers` says which options there are and checks them; `configure` turns checked ones into a profile.
"""

from __future__ import annotations

import base64
import functools
import hmac
import re
from typing import TYPE_CHECKING, Final

import msgspec

from ingress.providers import mac
from ingress.providers.profile import Outcome, Place, Profile, Refused, Request, field, header
from schemas.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingress.providers.profile import Key

_DEFAULTS: Final = {o.name: o.default for o in PROVIDERS["generic-hmac"].options if o.default is not None}
_PLACEHOLDER: Final = re.compile(r"(\{(?:body|timestamp|id|url)\})")


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """The options, parsed."""

    header: str
    algorithm: str
    encoding: str
    prefix: str
    key_encoding: str
    signed: tuple[str, ...]
    timestamp_header: str | None
    tolerance_s: int
    id_header: str | None

    def content(self, request: Request, time: str) -> bytes:
        """The signed bytes. Raises KeyError naming what the request lacks."""
        values = {"{body}": request.body, "{timestamp}": time.encode("latin-1")}
        if "{id}" in self.signed:
            values["{id}"] = request.headers[self.id_header or ""].encode("latin-1")
        if "{url}" in self.signed:
            values["{url}"] = (request.url or "").encode()
        return b"".join(values[part] if part in values else part.encode() for part in self.signed)

    def signature(self, content: bytes, secret: str) -> bytes:
        """The signature as its header has it, hex in lower case."""
        digest = hmac.digest(self._key(secret), content, self.algorithm)
        return self.prefix.encode() + (digest.hex().encode() if self.encoding == "hex" else base64.b64encode(digest))

    def _key(self, secret: str) -> bytes:
        if self.key_encoding == "hex":
            return bytes.fromhex(secret)
        return base64.b64decode(secret, validate=True) if self.key_encoding == "base64" else secret.encode()


def configure(options: Mapping[str, str]) -> Profile:
    """The profile of a source with these options, which `schemas.providers.validate` has passed."""
    scheme = _scheme(options)
    keep = {scheme.timestamp_header, scheme.id_header, _lower(options.get("topic_header")), "user-agent"}
    return Profile(
        slug="generic-hmac",
        verify=functools.partial(verify, scheme),
        sign=functools.partial(sign, scheme),
        delivery=_places(options, "id"),
        topic=_places(options, "topic"),
        account=_places(options, "account"),
        object=(("", _places(options, "object")),),
        keep=frozenset(name for name in keep if name),
    )


def _scheme(options: Mapping[str, str]) -> Scheme:
    merged = {**_DEFAULTS, **options}
    time = _lower(options.get("timestamp_header"))
    template = options.get("signed") or ("{timestamp}.{body}" if time else "{body}")
    return Scheme(
        header=merged["header"].lower(),
        algorithm=merged["algorithm"],
        encoding=merged["encoding"],
        prefix=merged["prefix"],
        key_encoding=merged["secret_encoding"],
        signed=tuple(part for part in _PLACEHOLDER.split(template) if part),
        timestamp_header=time,
        tolerance_s=int(merged["tolerance"]),
        id_header=_lower(options.get("id_header")),
    )


def verify(scheme: Scheme, request: Request, keys: Sequence[Key], now_ms: int) -> Outcome:
    """Accept when the time, if signed, is near and any active secret made the signature."""
    given = request.headers.get(scheme.header)
    if given is None:
        return Refused("signature_missing", f"the header {scheme.header} is missing")
    time = ""
    if scheme.timestamp_header is not None:
        time = request.headers.get(scheme.timestamp_header, "")
        signed_at = mac.seconds(time)
        if signed_at is None:
            return Refused("signature_malformed", f"the header {scheme.timestamp_header} must be Unix seconds")
        refused = mac.stale(signed_at, now_ms, scheme.tolerance_s)
        if refused is not None:
            return refused
    try:
        content = scheme.content(request, time)
    except KeyError:
        return Refused("signature_missing", f"the header {scheme.id_header}, which is signed, is missing")
    offered = _comparable(scheme, given.encode("latin-1"))
    return mac.match(keys, now_ms, [offered], lambda secret: scheme.signature(content, secret))


def _comparable(scheme: Scheme, given: bytes) -> bytes:
    """Hex digits may be of either case; the prefix may not."""
    at = len(scheme.prefix)
    return given[:at] + given[at:].lower() if scheme.encoding == "hex" else given


def sign(scheme: Scheme, request: Request, secret: str, now_ms: int) -> dict[str, str]:
    """Signature header, and time header where there is one."""
    time = str(now_ms // 1000)
    headers = {scheme.header: scheme.signature(scheme.content(request, time), secret).decode()}
    return headers | ({scheme.timestamp_header: time} if scheme.timestamp_header else {})


def _places(options: Mapping[str, str], what: str) -> tuple[Place, ...]:
    name, path = options.get(f"{what}_header"), options.get(f"{what}_field")
    if name:
        return (header(name.lower()),)
    return (field(path),) if path else ()


def _lower(name: str | None) -> str | None:
    return name.lower() if name else None
