"""What is asked of a token endpoint and what its answer means. Pure. Source: RFC 6749, sections 2.3.1, 4.4, 5.1 and 5.2."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote_plus, urlencode

import msgspec

if TYPE_CHECKING:
    from delivery.outcome import Outcome
    from schemas.auth import OAuth2

Style = Literal["basic", "body"]
"""Where the client's credentials stand: servers must take them in Authorization, some take only the body."""

DEFAULT_S: Final = 300.0  # how long a token is used that does not say how long it lasts
MARGIN_S: Final = 60.0  # a token is not used this close to its end, or in its last tenth if that is shorter
LONGEST_S: Final = 24 * 3600.0
PAUSE_S: Final = (1.0, 60.0)  # between requests to a token endpoint that fails: at first, at most
_TOKEN: Final = re.compile(r"[!-~]{1,8192}")
_ERROR: Final = re.compile(r"[a-z_]{1,40}")


class Token(msgspec.Struct, frozen=True):
    """An access token, and for how many seconds from now it is used."""

    value: str
    lasts_s: float

    def __repr__(self) -> str:
        return f"Token(lasts_s={self.lasts_s})"


class Refusal(msgspec.Struct, frozen=True):
    """No token, and why; never what the server wrote in free words, which may repeat the credentials."""

    words: str
    unknown_client: bool = False


class _Answer(msgspec.Struct):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a kind, not a token
    expires_in: float | str | None = None  # some servers write the number as text


class _Error(msgspec.Struct):
    error: str


def token_request(credentials: OAuth2, style: Style) -> tuple[list[str], bytes]:
    """Header lines and body."""
    form = {"grant_type": "client_credentials"}
    if credentials.scope:
        form["scope"] = credentials.scope
    lines = ["Content-Type: application/x-www-form-urlencoded", "Accept: application/json", "Expect:"]
    if style == "basic":
        pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        lines.append("Authorization: Basic " + base64.b64encode(pair.encode()).decode())
    else:
        form |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    return lines, urlencode(form).encode()


def read(outcome: Outcome) -> Token | Refusal:
    """What came of asking for a token."""
    if outcome.status is None or outcome.error_class not in {None, "status"}:
        return Refusal(f"the token endpoint cannot be used: {outcome.error}")
    if outcome.error_class == "status":
        code = _code(outcome.head)
        unknown = outcome.status in {400, 401} and code in {"", "invalid_client", "invalid_request", "unauthorized_client"}
        return Refusal(f"the token endpoint answered {outcome.status}{f' ({code})' if code else ''}", unknown_client=unknown)
    try:
        answer = msgspec.json.decode(outcome.head, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refusal("the token endpoint answered no JSON with an access_token")
    if answer.token_type.lower() != "bearer" or not _TOKEN.fullmatch(answer.access_token):
        return Refusal("the token endpoint gave no bearer token that fits in a header")
    return Token(answer.access_token, _lasts(answer.expires_in))


def pause_s(failures: int) -> float:
    """Seconds until a token endpoint that failed so often before is asked again."""
    soonest, latest = PAUSE_S
    return min(soonest * float(1 << min(failures, 10)), latest)


def _lasts(expires_in: float | str | None) -> float:
    try:
        seconds = float(expires_in if expires_in is not None else DEFAULT_S)
    except ValueError:
        seconds = DEFAULT_S
    if not 0 < seconds <= LONGEST_S:  # also what is no number
        seconds = LONGEST_S if seconds > LONGEST_S else 1.0
    return seconds - min(MARGIN_S, seconds / 10)


def _code(body: bytes) -> str:
    """The error code, where it is one of those a server may choose from or looks like one."""
    try:
        code = msgspec.json.decode(body, type=_Error).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return code if _ERROR.fullmatch(code) else ""
