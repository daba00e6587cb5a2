"""Options of `hub endpoints create` and `update`, and the fields of the API that they stand for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Callable

Events = Annotated[list[str] | None, typer.Option("--event", "-e", help="Event type: exact, order.* or *. Repeatable.")]
Channels = Annotated[list[str] | None, typer.Option("--channel", help="Only events of this channel. Repeatable.")]
Headers = Annotated[list[str] | None, typer.Option("--header", metavar="'NAME: VALUE'", help="Header to send along. Repeatable.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds one attempt may take, 1 to 30.")]
InFlight = Annotated[int | None, typer.Option(help="Requests under way at once, 1 to 128.")]
Schedule = Annotated[str | None, typer.Option(metavar="5s,5m,…", help="Delays before each retry; empty for the hub's.")]
Description = Annotated[str | None, typer.Option(help="For people.")]
Ordering = Annotated[str | None, typer.Option(help="none; key: in order by object; latest: only the newest of each object.")]
RateLimit = Annotated[str | None, typer.Option(metavar="NUMBER|none", help="Requests per second at most.")]
BatchMax = Annotated[int | None, typer.Option(help="Events in one request at most, 1 to 500.")]
BatchWait = Annotated[int | None, typer.Option("--batch-wait-ms", help="Milliseconds a batch waits to fill up, 0 to 60000.")]
Signature = Annotated[str | None, typer.Option(help="v1 (shared secret) or v1a (key pair).")]
Auth = Annotated[
    str | None,
    typer.Option(
        metavar="KIND:…",
        help="Credentials: none, basic:USER:PASSWORD, bearer:TOKEN, mtls:CERTIFICATE.pem:KEY.pem, or the API's JSON, as for "
        "oauth2. @FILE reads this from a file, - from standard input.",
    ),
]
Ca = Annotated[str | None, typer.Option(metavar="FILE|none", help="PEM, what the endpoint's certificate is checked against.")]

_PLAIN: Final = {
    "event": "event_types",
    "channel": "channels",
    "timeout": "timeout_s",
    "max_in_flight": "max_in_flight",
    "description": "description",
    "ordering": "ordering",
    "batch_max": "batch_max",
    "batch_wait": "batch_wait_ms",
    "signature": "signature",
    "url": "url",
    "endpoint_id": "id",
    "tenant": "tenant",
}


def body(**options: Any) -> dict[str, Any]:
    """Fields of the API for the options that were named. Raises HubError."""
    given = {name: value for name, value in options.items() if value is not None}
    fields = {_PLAIN[name]: value for name, value in given.items() if name in _PLAIN}
    read: dict[str, tuple[str, Callable[[Any], object]]] = {
        "header": ("headers", lambda texts: dict(_header(text) for text in texts)),
        "schedule": ("retry_schedule", lambda text: [part.strip() for part in text.split(",") if part.strip()]),
        "rate_limit": ("rate_limit", _rate_limit),
        "auth": ("auth", _auth),
        "ca": ("ca", lambda name: None if name == "none" else _file("--ca", name)),
    }
    return fields | {field: of(given[name]) for name, (field, of) in read.items() if name in given}


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise HubError(f"--header {text!r}: write it as 'Name: value'.")
    return name.strip(), value.strip()


def _rate_limit(text: str) -> float | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise HubError(f"--rate-limit {text!r}: want a number of requests per second, or none.") from None


def _auth(text: str) -> dict[str, Any] | None:
    if text == "-":
        text = sys.stdin.read().strip()
    elif text.startswith("@"):
        text = _file("--auth", text[1:]).strip()
    if text.startswith("{"):
        return _json(text)
    kind, _, rest = text.partition(":")
    first, colon, second = rest.partition(":")
    if text == "none":
        return None
    if kind == "bearer" and rest:
        return {"type": "bearer", "token": rest}
    if kind == "basic" and colon:
        return {"type": "basic", "username": first, "password": second}
    if kind == "mtls" and colon:
        return {"type": "mtls", "certificate": _file("--auth", first), "private_key": _file("--auth", second)}
    raise HubError("--auth: write none, basic:USER:PASSWORD, bearer:TOKEN, mtls:CERTIFICATE.pem:KEY.pem or the API's JSON.")


def _json(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as e:
        raise HubError(f"--auth: this is no JSON object: {e}.") from e


def _file(option: str, name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, UnicodeDecodeError) as e:
        raise HubError(f"{option}: cannot read {name!r}: {e}.") from e
