"""Who is at the dashboard: a sealed, expiring cookie that holds the role and the token of every form.

Sealed means encrypted and authenticated (Fernet, the deployment's secret keys), so that every console of a
deployment opens it and a changed admin key closes it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from runtime.secrets import SecretBox, SecretKeyError

if TYPE_CHECKING:
    from starlette.responses import Response

    from runtime.clock import Clock

COOKIE: Final = "hookstream_session"
LIFETIME_MS: Final = 12 * 3600 * 1000
_PURPOSE: Final = "dashboard-session:"  # a sealed secret of another kind never opens as a session
_MOST_REVOKED: Final = 10_000


class Session(msgspec.Struct, frozen=True):
    """A visitor. `who` is empty before login; `token` must come back with every form."""

    id: str
    who: str
    token: str
    expires_at: int
    key_print: str = ""

    @property
    def known(self) -> bool:
        """Whether the visitor has logged in."""
        return bool(self.who)


class Sessions:
    """Opens, makes and ends sessions. Nothing is stored but the ids of those that logged out early."""

    def __init__(self, *, box: SecretBox, clock: Clock, admin_key: str) -> None:
        self._box = box
        self._clock = clock
        self._print = hashlib.sha256(b"dashboard" + admin_key.encode()).hexdigest()[:16]
        self._admin_key = admin_key.encode()
        self._revoked: dict[str, int] = {}

    def anonymous(self) -> Session:
        """A session for the login form."""
        return Session(secrets.token_urlsafe(12), "", secrets.token_urlsafe(24), self._clock.now_ms() + LIFETIME_MS)

    def login(self, key: str) -> Session | None:
        """A new session when the key is the admin's; compares in constant time."""
        if not hmac.compare_digest(hashlib.sha256(key.encode()).digest(), hashlib.sha256(self._admin_key).digest()):
            return None
        return msgspec.structs.replace(self.anonymous(), who="admin", key_print=self._print)

    def open(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None when it is missing, forged, expired, revoked or of an older admin key."""
        if not cookie or len(cookie) > 4096:
            return None
        try:
            sealed = self._box.decrypt(cookie)
            session = msgspec.json.decode(sealed.removeprefix(_PURPOSE), type=Session)
        except (SecretKeyError, msgspec.MsgspecError, ValueError):
            return None
        if not sealed.startswith(_PURPOSE) or session.expires_at <= self._clock.now_ms() or session.id in self._revoked:
            return None
        if session.known and not hmac.compare_digest(session.key_print, self._print):
            return None
        return session

    def end(self, session: Session) -> None:
        """Make the cookie useless, also where someone kept a copy."""
        now = self._clock.now_ms()
        self._revoked = {k: at for k, at in list(self._revoked.items())[-_MOST_REVOKED:] if at > now}
        self._revoked[session.id] = session.expires_at

    def store(self, response: Response, session: Session, *, secure: bool) -> None:
        """Set the cookie."""
        sealed = self._box.encrypt(_PURPOSE + msgspec.json.encode(session).decode())
        left = max(0, session.expires_at - self._clock.now_ms()) // 1000
        response.set_cookie(COOKIE, sealed, max_age=left, httponly=True, samesite="strict", secure=secure, path="/")


def same_token(session: Session, token: object) -> bool:
    """Whether a form carries the session's token; constant time."""
    return isinstance(token, str) and hmac.compare_digest(session.token.encode(), token.encode())


class Attempts:
    """Counts failed logins per address: more than `most` within `window_s` must wait."""

    def __init__(self, clock: Clock, *, most: int = 5, window_s: float = 300, addresses: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._window_s = window_s
        self._addresses = addresses
        self._failed: dict[str, list[float]] = {}

    def wait_s(self, address: str) -> int:
        """Seconds until the address may try again, 0 for now."""
        failed = self._recent(address)
        if len(failed) < self._most:
            return 0
        return max(1, int(failed[0] + self._window_s - self._clock.monotonic()) + 1)

    def failed(self, address: str) -> None:
        """Count one failure; when too many addresses are known, the one that failed longest ago is forgotten."""
        recent = self._recent(address)
        self._failed.pop(address, None)
        if len(self._failed) >= self._addresses:
            self._failed.pop(next(iter(self._failed)))
        self._failed[address] = [*recent, self._clock.monotonic()][-self._most :]

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        self._failed.pop(address, None)

    def _recent(self, address: str) -> list[float]:
        since = self._clock.monotonic() - self._window_s
        return [at for at in self._failed.get(address, ()) if at > since]
