"""One HTTP exchange: a reusable libcurl handle, what its callbacks collect, and the outcome read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import certifi
import msgspec
import pycurl

from delivery import egress
from delivery.outcome import ErrorClass, Outcome, classify

if TYPE_CHECKING:
    from collections.abc import Callable

    from delivery.tls import Tls
    from schemas.auth import OAuth2

    Done = Callable[[Outcome], None]

HEAD_CAP: Final = 16 * 1024  # bytes of a response body that are kept
HEADERS_CAP: Final = 16 * 1024  # bytes of response headers, 1xx blocks included; beyond it the connection is dropped
CONNECT_TIMEOUT_MS: Final = 5000
IDLE_S: Final = 60  # a connection idle for longer is not used again
LIFETIME_S: Final = 600  # nor one that is older: addresses change

_E_HTTP2_STREAM: Final = 92  # pycurl has no names for these
_E_PROXY: Final = 97
_CLASSES: Final[dict[int, ErrorClass]] = {
    pycurl.E_URL_MALFORMAT: "bad_url",
    pycurl.E_UNSUPPORTED_PROTOCOL: "bad_url",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns",
    pycurl.E_COULDNT_RESOLVE_PROXY: "dns",
    pycurl.E_COULDNT_CONNECT: "connect",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
    pycurl.E_SSL_CERTPROBLEM: "tls",
    pycurl.E_SSL_CIPHER: "tls",
    pycurl.E_GOT_NOTHING: "reset",
    pycurl.E_PARTIAL_FILE: "reset",
    pycurl.E_RECV_ERROR: "reset",
    pycurl.E_SEND_ERROR: "reset",
    _E_HTTP2_STREAM: "reset",
    _E_PROXY: "connect",
}
_PUBLIC_CA: Final = certifi.where()
_KNOWN_MAX: Final = 4096
_KNOWN_LINE: Final = 128
_known: dict[bytes, tuple[str, str]] = {}  # header lines seen before, parsed: receivers repeat themselves


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A POST. `headers` are whole lines; `timeout_s` is the deadline of everything, body of the answer included.

    `oauth2` asks for an access token in front of it. `connect_to`: the address that a proxy is told to connect to.
    """

    url: str
    headers: list[str]
    body: bytes
    timeout_s: float
    tls: Tls | None = None
    oauth2: OAuth2 | None = None
    connect_to: str | None = None

    def __repr__(self) -> str:
        return f"Request({self.url!r}, {len(self.body)} bytes)"


class Transfer:
    """A handle and what is under way on it. Options that carry credentials make it good for one exchange only."""

    __slots__ = (
        "_body", "_host", "_lines", "_room", "_timeout_s", "_url", "curl", "cut", "done", "opened", "refused", "reusable",
        "started_at",
    )  # fmt: skip

    def __init__(self, open_socket: Callable[[Transfer, Any], object], proxy: str = "") -> None:
        self.curl = pycurl.Curl()
        self._lines: list[bytes] = []
        self._body = bytearray()
        self._room = HEADERS_CAP
        self._url, self._timeout_s = "", 0.0
        self.cut = False  # whether the body went on behind its head
        self.refused: str | None = None  # the address that the egress guard refused
        self.opened = False  # whether a connection was made for it
        self.reusable = True
        self.done: Done = _nobody
        self.started_at = 0
        setopt = self.curl.setopt
        for option, value in _options(proxy):
            setopt(option, value)
        setopt(pycurl.HEADERFUNCTION, self._on_header)
        setopt(pycurl.WRITEFUNCTION, self._on_body)
        setopt(pycurl.OPENSOCKETFUNCTION, lambda _purpose, address: open_socket(self, address))

    def prepare(self, request: Request, done: Done, now_ms: int) -> pycurl.Curl:
        """Set what this request needs; what is as the last time stays. Answers the handle to start."""
        self.done, self.started_at = done, now_ms
        curl = self.curl
        if request.url != self._url:
            curl.setopt(pycurl.URL, request.url)
            self._url = request.url
        if request.timeout_s != self._timeout_s:
            curl.setopt(pycurl.TIMEOUT_MS, round(request.timeout_s * 1000))
            self._timeout_s = request.timeout_s
        curl.setopt(pycurl.HTTPHEADER, request.headers)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        if request.tls is not None:
            self._secure(request.tls)
        if request.connect_to is not None:
            self.reusable = False
            curl.setopt(pycurl.CONNECT_TO, [f"::{request.connect_to}:"])
        return curl

    def finish(self, code: int, message: str) -> Outcome:
        """The outcome; the transfer is blank again."""
        found = self._outcome(code, message)
        self._lines = []
        if self._body:
            self._body = bytearray()
        self._room = HEADERS_CAP
        self.cut, self.refused, self.opened, self.done = False, None, False, _nobody
        return found

    def _secure(self, tls: Tls) -> None:
        """Connections and TLS sessions made with these are found again only by requests with the same ones."""
        self.reusable = False
        blobs = ((pycurl.CAINFO_BLOB, tls.ca), (pycurl.SSLCERT_BLOB, tls.certificate), (pycurl.SSLKEY_BLOB, tls.private_key))
        for option, blob in blobs:
            if blob is not None:
                self.curl.setopt(option, blob)
        if tls.ca is not None:
            self.curl.unsetopt(pycurl.CAINFO)  # the public ones are not trusted beside it
        self.curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)  # a resumed session would bring its old client certificate along

    def _on_header(self, line: bytes) -> int | None:
        self._room -= len(line)
        if self._room < 0:
            return 0  # libcurl ends the transfer and drops the connection
        self._lines.append(line)
        return None

    def _on_body(self, data: bytes) -> int | None:
        room = HEAD_CAP - len(self._body)
        self._body += data[:room]
        if len(data) > room:
            self.cut = True
            return 0
        return None

    def _outcome(self, code: int, message: str) -> Outcome:
        info = self.curl.getinfo
        status: int = info(pycurl.RESPONSE_CODE)
        total_ms: float = info(pycurl.TOTAL_TIME) * 1000
        if code == 0 or (code == pycurl.E_WRITE_ERROR and self.cut):
            error_class, error = classify(status)
        else:
            error_class, error = self._failure(code, message, total_ms)
        dns = connect = tls = 0.0
        if self.opened:
            dns, connect, tls = (info(i) * 1000 for i in (pycurl.NAMELOOKUP_TIME, pycurl.CONNECT_TIME, pycurl.APPCONNECT_TIME))
        return Outcome(
            started_at=self.started_at,
            status=status or None,
            error_class=error_class,
            error=error,
            headers=parse(self._lines),
            head=bytes(self._body),
            cut=self.cut,
            dns_ms=dns,
            connect_ms=max(0.0, connect - dns),
            tls_ms=max(0.0, tls - connect) if tls else 0.0,
            first_byte_ms=info(pycurl.STARTTRANSFER_TIME) * 1000,
            total_ms=total_ms,
        )

    def _failure(self, code: int, message: str, total_ms: float) -> tuple[ErrorClass, str]:
        if self.refused is not None:
            return "refused_address", egress.refusal(self.refused)
        if self._room < 0:
            return "protocol", f"the response headers are longer than {HEADERS_CAP} bytes"
        error_class = _CLASSES.get(code, "protocol")
        if error_class == "timeout":
            return error_class, f"timeout after {total_ms / 1000:.1f} s ({self._how_far()})"
        if message.startswith("CONNECT tunnel failed"):
            error_class = "connect"  # the proxy's answer, not the receiver's
        elif _malformed(code, message):
            error_class = "protocol"
        return error_class, message or f"libcurl error {code}"

    def _how_far(self) -> str:
        connected = self.curl.getinfo(pycurl.CONNECT_TIME) * 1000
        if connected:
            return f"connected after {connected:.0f} ms, answer not complete"
        reused = self.curl.getinfo(pycurl.PRETRANSFER_TIME) > 0
        return "on an open connection, answer not complete" if reused else "not connected"


def parse(lines: list[bytes]) -> dict[str, str]:
    """Response headers of the last header block, lower-case names."""
    headers: dict[str, str] = {}
    for line in lines:
        pair = _known.get(line)
        if pair is None:
            if line.startswith(b"HTTP/"):
                headers.clear()  # a 1xx block came before
                continue
            name, colon, value = line.partition(b":")
            if not colon:
                continue
            pair = (name.decode("latin-1").strip().lower(), value.decode("latin-1").strip())
            if len(line) <= _KNOWN_LINE:
                if len(_known) >= _KNOWN_MAX:
                    _known.clear()
                _known[line] = pair
        headers[pair[0]] = pair[1]
    return headers


def _malformed(code: int, message: str) -> bool:
    """Whether libcurl's word for a lost connection or a bad URL means an answer that is no HTTP."""
    if code == pycurl.E_RECV_ERROR:
        return not message.startswith(("Recv failure", "OpenSSL SSL_read"))
    return code == pycurl.E_UNSUPPORTED_PROTOCOL and not message.startswith("Protocol ")


def _options(proxy: str) -> tuple[tuple[int, object], ...]:
    """What is the same for all requests. Nothing is taken from the environment, no redirect is followed."""
    return (
        (pycurl.NOSIGNAL, 1),
        (pycurl.POST, 1),
        (pycurl.FOLLOWLOCATION, 0),
        (pycurl.PROXY, proxy),
        (pycurl.NOPROXY, ""),
        (pycurl.HTTPPROXYTUNNEL, 1 if proxy else 0),
        (pycurl.NETRC, 0),
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS),
        (pycurl.CAINFO, _PUBLIC_CA),
        (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS),
        (pycurl.MAXAGE_CONN, IDLE_S),
        (pycurl.MAXLIFETIME_CONN, LIFETIME_S),
        (pycurl.TCP_NODELAY, 1),
        (pycurl.DNS_CACHE_TIMEOUT, 60),
        (pycurl.HTTP_CONTENT_DECODING, 0),
    )


def _nobody(_outcome: Outcome) -> None:
    """What an idle transfer reports to."""
