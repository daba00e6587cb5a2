"""Request bodies and query strings into structs; what does not fit becomes a problem that names the field."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from console import checks
from console.forms import EndpointForm, EndpointPatch
from console.problems import InvalidError, MalformedError

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

S = TypeVar("S", bound=msgspec.Struct)
BODY_MAX: Final = 256 * 1024
_AT: Final = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>[^`]+)`")


async def read_body(request: Request) -> bytes:
    """The body, at most BODY_MAX. Raises MalformedError."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX:
            raise MalformedError(f"the body is larger than {BODY_MAX} bytes")
    return body


def parse_body(body: bytes, form: type[S]) -> S:
    """A JSON body as `form`. Raises MalformedError, InvalidError."""
    try:
        fields = msgspec.json.decode(body or b"{}")
    except msgspec.DecodeError as e:
        raise MalformedError(f"the body is no JSON: {e}") from e
    if not isinstance(fields, dict):
        raise MalformedError("the body must be a JSON object")
    problems: list[tuple[str, str]] = []
    if form in {EndpointForm, EndpointPatch}:
        problems = checks.unsupported(fields)
        fields = {k: v for k, v in fields.items() if k not in checks.UNSUPPORTED}
    try:
        found = msgspec.convert(fields, form)
    except msgspec.ValidationError as e:
        raise InvalidError([*problems, field_error(e, form)]) from e
    if problems:
        raise InvalidError(problems)
    return found


def parse_query(params: QueryParams, wanted: type[S]) -> S:
    """A query string as `wanted`; a list may be repeated or comma-separated. Raises InvalidError."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(wanted):
        texts = [t for t in params.getlist(field.encode_name) if t]
        if texts:
            many = str(field.type).startswith(("tuple", "list"))
            fields[field.encode_name] = [t for text in texts for t in text.split(",")] if many else texts[-1]
    known = {field.encode_name for field in msgspec.structs.fields(wanted)}
    unknown = sorted(set(params) - known)
    if unknown:
        raise InvalidError([(unknown[0], f"is not known: use {', '.join(sorted(known))}")])
    try:
        return msgspec.convert(fields, wanted, strict=False)
    except msgspec.ValidationError as e:
        raise InvalidError([field_error(e, wanted)]) from e


def time_ms(field: str, text: str | None) -> int | None:
    """Milliseconds since the epoch of a query's time: such a number, or RFC 3339. Raises InvalidError."""
    if text is None:
        return None
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a + in a query string arrives as a space
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidError([(field, f"{text[:40]!r} is no time: write ms since the epoch, or 2026-11-23T02:14:00Z")])
    return round(at.timestamp() * 1000)


def field_error(error: msgspec.ValidationError, form: type[msgspec.Struct]) -> tuple[str, str]:
    """Field and words of a struct's complaint."""
    match = _AT.fullmatch(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    known = ", ".join(field.encode_name for field in msgspec.structs.fields(form))
    unknown = "is not known here: leave it out" if path else f"is not known: use {known}"
    for pattern, words in ((_MISSING, "is required"), (_UNKNOWN, unknown)):
        found = pattern.fullmatch(what)
        if found:
            return f"{path}.{found['name']}".lstrip("."), words
    return path.replace("[...]", "") or "body", what[:1].lower() + what[1:].replace("`", "")
