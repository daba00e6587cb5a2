"""The catalogue of provider profiles: slugs, what they need, which options they take. Data and one pure check.

The ingress implements exactly these; the console offers them and checks a source's configuration against them.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Problem = tuple[str, str]
"""A field of the source, and what is wrong with it and how to mend it."""

API_SOURCE: Final = "api"
"""Source id of events published through /v1/events; no source may be called so."""
API_PROVIDER: Final = "hookstream"
OCCURRED_AT: Final = "x-hookstream-occurred-at"
"""Header of a WebhookReceived of /v1/events: when it happened, in ms since the epoch, where the publisher said so."""

Kind = Literal["text", "header", "path", "choice", "seconds", "template"]


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """An option of a profile, kept in SourceConfig.options. `default` None: there is none."""

    name: str
    help: str
    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    required: bool = False
    default: str | None = None


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """What people need to know to configure a source of this provider."""

    slug: str
    title: str
    key_help: str
    key_format: Literal["text", "whsec", "option"] = "text"
    options: tuple[Option, ...] = ()


_GENERIC: Final = (
    Option(name="header", kind="header", required=True, help="Header that carries the signature."),
    Option(name="algorithm", kind="choice", choices=("sha256", "sha512", "sha1"), default="sha256", help="Hash of the HMAC."),
    Option(name="encoding", kind="choice", choices=("hex", "base64"), default="hex", help="How the signature is written."),
    Option(name="prefix", default="", help="What stands before the signature in its header, such as sha256=."),
    Option(
        name="secret_encoding",
        kind="choice",
        choices=("utf-8", "hex", "base64"),
        default="utf-8",
        help="How the secret becomes the key.",
    ),
    Option(
        name="signed",
        kind="template",
        help="What is signed: {body}, {timestamp}, {id} and {url} stand for themselves. "
        "Default {body}, or {timestamp}.{body} with a timestamp header.",
    ),
    Option(name="timestamp_header", kind="header", help="Header with the time of signing in Unix seconds; must be signed."),
    Option(name="tolerance", kind="seconds", default="300", help="Seconds the time of signing may be off."),
    Option(name="id_header", kind="header", help="Header with the delivery id, by which repeats are known."),
    Option(name="id_field", kind="path", help="Body field with the delivery id, such as meta.id."),
    Option(name="topic_header", kind="header", help="Header with the topic."),
    Option(name="topic_field", kind="path", help="Body field with the topic, such as type."),
    Option(name="object_field", kind="path", help="Body field with the id of the business object, which orders its events."),
    Option(name="account_field", kind="path", help="Body field with the account, shop or store."),
)

PROVIDERS: Final[Mapping[str, Provider]] = {
    p.slug: p
    for p in (
        Provider(slug="shopify", title="Shopify", key_help="The app's client secret, or the key under Notifications > Webhooks."),
        Provider(slug="stripe", title="Stripe", key_help="The endpoint's signing secret, whsec_…, whole as Stripe shows it."),
        Provider(slug="easypost", title="EasyPost", key_help="The webhook_secret given when the webhook was created."),
        Provider(slug="woocommerce", title="WooCommerce", key_help="The webhook's Secret field; an empty one is refused."),
        Provider(
            slug="standard-webhooks",
            title="Standard Webhooks (also Svix)",
            key_format="whsec",
            key_help="whsec_ and base64 of at least 16 bytes; or the public key, whpk_ and base64.",
        ),
        Provider(
            slug="generic-hmac",
            title="Any HMAC over the body",
            key_format="option",
            key_help="The shared secret, written as the option secret_encoding says.",
            options=_GENERIC,
        ),
    )
}

_SHAPES: Final = {
    # RFC 9110, "token"
    "header": (re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"), "header name: letters, digits and dashes, such as X-Signature"),
    "path": (re.compile(r"[^.\s]{1,100}(\.[^.\s]{1,100}){0,7}"), "field: names joined by dots, at most 8, such as data.id"),
    "seconds": (re.compile(r"[1-9][0-9]{0,4}"), "number of seconds from 1 to 99999"),
    "text": (re.compile(r"[ -~]{0,100}"), "text of at most 100 ASCII characters"),
}
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS: Final = ("body", "timestamp", "id", "url")


def validate(provider: str, options: Mapping[str, str], secrets: Sequence[str], external_url: str | None = None) -> list[Problem]:
    """What is wrong with a source's configuration; empty when it can be used."""
    found = PROVIDERS.get(provider)
    if found is None:
        return [("provider", f"{provider!r} is not known: use one of {', '.join(PROVIDERS)}")]
    problems = [*_unknown(found, options), *_values(found, options), *_secrets(found, options, secrets)]
    if provider == "generic-hmac" and not problems:
        problems = _generic(options, external_url)
    return problems


def validate_ip_allowlist(ranges: Iterable[str]) -> list[Problem]:
    """What is wrong with a list of CIDR ranges."""
    problems: list[Problem] = []
    for index, text in enumerate(ranges):
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            problems.append((f"ip_allowlist[{index}]", f"{text!r} is no address range: write CIDR such as 203.0.113.0/24"))
    return problems


def _unknown(provider: Provider, options: Mapping[str, str]) -> list[Problem]:
    names = [o.name for o in provider.options]
    hint = f"it takes {', '.join(names)}" if names else "it takes none"
    return [(f"options.{name}", f"{provider.slug} has no such option: {hint}") for name in options if name not in names]


def _values(provider: Provider, options: Mapping[str, str]) -> list[Problem]:
    problems = []
    for option in provider.options:
        value = options.get(option.name)
        if value is None:
            if option.required:
                problems.append((f"options.{option.name}", f"is required: {option.help}"))
            continue
        wrong = _wrong(option, value)
        if wrong:
            problems.append((f"options.{option.name}", wrong))
    return problems


def _wrong(option: Option, value: str) -> str | None:
    if option.kind == "template":
        return _wrong_template(value)
    if option.kind == "choice":
        return None if value in option.choices else f"{value!r} is not possible: use one of {', '.join(option.choices)}"
    pattern, wanted = _SHAPES[option.kind]
    return None if pattern.fullmatch(value) else f"{value[:100]!r} is no {wanted}"


def _wrong_template(value: str) -> str | None:
    names = _PLACEHOLDER.findall(value)
    unknown = [n for n in names if n not in PLACEHOLDERS]
    if unknown:
        return f"{{{unknown[0]}}} is not known: use {', '.join('{' + p + '}' for p in PLACEHOLDERS)}"
    if names.count("body") != 1:
        return "must contain {body} exactly once: what is not signed is not verified"
    return None


def _generic(options: Mapping[str, str], external_url: str | None) -> list[Problem]:
    """Rules between the options of generic-hmac."""
    signed = set(_PLACEHOLDER.findall(options.get("signed", "")))
    given = options.keys()
    rules = (
        (
            "signed" in given and "timestamp" not in signed and "timestamp_header" in given,
            "options.signed",
            "must contain {timestamp}, or anybody could renew an old request",
        ),
        (
            "timestamp_header" not in given and ("timestamp" in signed or "tolerance" in given),
            "options.timestamp_header",
            "is required for a tolerance and where {timestamp} is signed",
        ),
        (
            "id" in signed and "id_header" not in given,
            "options.id_header",
            "is required where {id} is signed",
        ),
        (
            "url" in signed and not external_url,
            "external_url",
            "is required where {url} is signed: the URL as the sender has it",
        ),
        ({"id_header", "id_field"} <= given, "options.id_field", "cannot be used together with id_header: choose one"),
        (
            {"topic_header", "topic_field"} <= given,
            "options.topic_field",
            "cannot be used together with topic_header: choose one",
        ),
    )
    return [(field, message) for broken, field, message in rules if broken]


def _secrets(provider: Provider, options: Mapping[str, str], secrets: Sequence[str]) -> list[Problem]:
    if not secrets:
        return [("secrets", f"at least one is required. {provider.key_help}")]
    problems = []
    for index, secret in enumerate(secrets):
        wrong = _wrong_secret(provider, options, secret)
        if wrong:
            problems.append((f"secrets[{index}]", wrong))
    return problems


def _wrong_secret(provider: Provider, options: Mapping[str, str], secret: str) -> str | None:
    if not secret.strip():
        return "must not be empty: anybody can sign with an empty secret"
    if provider.key_format == "whsec":
        return _wrong_whsec(secret)
    encoding = options.get("secret_encoding") if provider.key_format == "option" else None
    if encoding == "hex" and not re.fullmatch(r"([0-9a-fA-F]{2})+", secret):
        return "is not hex, as secret_encoding says"
    if encoding == "base64" and not _base64_length(secret):
        return "is not base64, as secret_encoding says"
    return None


def _wrong_whsec(secret: str) -> str | None:
    if secret.startswith("whpk_"):
        return None if _base64_length(secret[5:]) == 32 else "whpk_ must be followed by base64 of 32 bytes, an ed25519 public key"
    if secret.startswith("whsk_"):
        return "is a private key: give the public one, whpk_…"
    if _base64_length(secret.removeprefix("whsec_")) < 16:
        return "must be whsec_ and base64 of at least 16 bytes"
    return None


def _base64_length(text: str) -> int:
    """Bytes that base64 text stands for; 0 when it is none."""
    try:
        return len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return 0
