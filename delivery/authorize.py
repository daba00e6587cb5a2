"""OAuth2 client credentials (RFC 6749, section 4.4) in front of the HTTP client: the token first, then the POST.

Same interface as the client, so the engine knows nothing of it. A token is fetched once for all who wait for it, through the
same egress guard, kept until shortly before it expires, and fetched once more when the receiver answers 401.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import certifi
import msgspec

from delivery import oauth
from delivery.outcome import Outcome
from delivery.transfer import Request

if TYPE_CHECKING:
    from delivery.http import HttpClient
    from delivery.tls import Tls
    from delivery.transfer import Done
    from runtime.clock import Clock
    from schemas.auth import OAuth2

TOKEN_TIMEOUT_S: Final = 10.0
KEPT: Final = 10_000  # sets of credentials whose tokens are kept
LEFT_MIN_S: Final = 0.5  # what a POST is given at least, however long its token took


class _Grant:
    """The token of one set of credentials, and who waits for it."""

    __slots__ = ("asking", "failures", "reason", "refused", "renew_at", "style", "token", "until", "wait_until", "waiting")

    def __init__(self) -> None:
        self.token: str | None = None
        self.until = 0.0  # monotonic seconds: good until then
        self.asking = False
        self.waiting: list[tuple[Request, Done, float, bool]] = []
        self.failures = 0
        self.wait_until = 0.0  # not asked again before
        self.reason = ""
        self.refused = 0  # answers of 401 in a row for which a new token was fetched
        self.renew_at = 0.0  # not fetched for a 401 before
        self.style: oauth.Style = "basic"


class Authorizer:
    """Starts requests as `HttpClient` does. Belongs to one thread."""

    def __init__(self, http: HttpClient, clock: Clock) -> None:
        self._http, self._clock = http, clock
        self._grants: dict[tuple[OAuth2, Tls | None], _Grant] = {}
        self._failed: deque[tuple[Done, Outcome]] = deque()
        self._waiting = 0

    @property
    def in_flight(self) -> int:
        """Requests under way, those that wait for their token among them."""
        return self._http.in_flight + self._waiting + len(self._failed)

    def start(self, request: Request, done: Done) -> None:
        """Begin a request; `done` is called from a later `run_once`."""
        if request.oauth2 is None:
            self._http.start(request, done)
        else:
            self._authorized(request, request.oauth2, done, again=True)

    def run_once(self, timeout_s: float) -> set[int]:
        """As that of the client."""
        readable = self._http.run_once(0.0 if self._failed else timeout_s)
        for _ in range(len(self._failed)):
            done, outcome = self._failed.popleft()
            done(outcome)
        return readable

    def watch(self, fd: int) -> None:
        """As that of the client."""
        self._http.watch(fd)

    def close(self) -> None:
        """Drop everything under way."""
        self._http.close()

    def _authorized(self, request: Request, credentials: OAuth2, done: Done, *, again: bool) -> None:
        """Send now, once there is a token, or not at all. `again`: whether a 401 is worth a new token."""
        grant = self._grant(credentials, request.tls)
        now = self._clock.monotonic()
        if grant.token is not None and now < grant.until:
            self._send(request, credentials, grant.token, done, again=again)
        elif grant.asking or now >= grant.wait_until:
            grant.waiting.append((request, done, now, again))
            self._waiting += 1
            if not grant.asking:
                self._ask(grant, credentials, request)
        else:
            self._fail(done, f"{grant.reason}; asked again in {grant.wait_until - now:.0f} s")

    def _send(self, request: Request, credentials: OAuth2, token: str, done: Done, *, again: bool) -> None:
        began = self._clock.monotonic()
        grant = self._grant(credentials, request.tls)

        def answered(outcome: Outcome) -> None:
            now = self._clock.monotonic()
            current = grant.token == token  # else another one has replaced it already, or is about to
            if outcome.status != 401:
                grant.refused = 0
            elif again and (not current or now >= grant.renew_at):
                if current:
                    grant.token, grant.renew_at = None, now + oauth.pause_s(grant.refused)
                    grant.refused += 1
                left = max(LEFT_MIN_S, request.timeout_s - (now - began))
                self._authorized(msgspec.structs.replace(request, timeout_s=left), credentials, done, again=False)
                return
            done(outcome)

        headers = [*request.headers, f"Authorization: Bearer {token}"]
        self._http.start(msgspec.structs.replace(request, headers=headers), answered)

    def _ask(self, grant: _Grant, credentials: OAuth2, on_behalf_of: Request) -> None:
        grant.asking = True
        headers, body = oauth.token_request(credentials, grant.style)
        request = Request(
            url=credentials.token_url,
            headers=headers,
            body=body,
            timeout_s=min(TOKEN_TIMEOUT_S, on_behalf_of.timeout_s),
            tls=_trusting(on_behalf_of.tls),
        )
        self._http.start(request, lambda outcome: self._told(grant, credentials, on_behalf_of, outcome))

    def _told(self, grant: _Grant, credentials: OAuth2, on_behalf_of: Request, outcome: Outcome) -> None:
        found = oauth.read(outcome)
        grant.asking = False
        if isinstance(found, oauth.Token):
            grant.token, grant.until = found.value, self._clock.monotonic() + found.lasts_s
            grant.failures, grant.reason = 0, ""
            self._release(grant, credentials, found.value)
        elif grant.style == "basic" and found.unknown_client and grant.failures == 0:
            grant.style = "body"  # section 2.3.1: some servers take them only there
            grant.failures = 1
            self._ask(grant, credentials, on_behalf_of)
        else:
            grant.style, grant.token = "basic", None
            wait = oauth.pause_s(grant.failures)
            grant.failures += 1
            grant.reason = f"no access token: {found.words}"
            grant.wait_until = self._clock.monotonic() + wait
            self._release(grant, credentials, None)

    def _release(self, grant: _Grant, credentials: OAuth2, token: str | None) -> None:
        waiting, grant.waiting = grant.waiting, []
        self._waiting -= len(waiting)
        now = self._clock.monotonic()
        for request, done, since, again in waiting:
            if token is None:
                self._fail(done, grant.reason)
                continue
            left = max(LEFT_MIN_S, request.timeout_s - (now - since))
            self._send(msgspec.structs.replace(request, timeout_s=left), credentials, token, done, again=again)

    def _fail(self, done: Done, words: str) -> None:
        self._failed.append((done, Outcome(started_at=self._clock.now_ms(), error_class="auth", error=words)))

    def _grant(self, credentials: OAuth2, tls: Tls | None) -> _Grant:
        """Shared by endpoints with the same credentials; those of old versions go when there are too many."""
        key = (credentials, tls)
        grant = self._grants.get(key)
        if grant is None:
            if len(self._grants) >= KEPT:
                self._grants = {k: g for k, g in self._grants.items() if g.asking or g.waiting}
            grant = self._grants[key] = _Grant()
        return grant


def _trusting(tls: Tls | None) -> Tls | None:
    """The token may come from the endpoint's own world or from the public one: both are trusted for it."""
    if tls is None or tls.ca is None:
        return tls
    with open(certifi.where(), "rb") as file:  # noqa: PTH123 - one read, and a rare one
        return msgspec.structs.replace(tls, ca=file.read() + b"\n" + tls.ca)
