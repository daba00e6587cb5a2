"""TLS: whom an endpoint trusts, whom the hub shows itself as, and that connections never mix the two; HTTP/2."""

from __future__ import annotations

import contextlib
import ssl
import threading

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from delivery.tls import Tls
from delivery.transfer import Request
from tests.authority import Authority
from tests.raw import OK, answering, calling, raw


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def trusting(authority: Authority, name: str | None = None) -> Tls:
    if name is None:
        return Tls(ca=authority.pem.encode())
    certificate, key = authority.client(name)
    return Tls(ca=authority.pem.encode(), certificate=certificate.encode(), private_key=key.encode())


def telling_who(one) -> None:
    """Answers each request with the name in the client's certificate."""
    subject = dict(pair for (pair,) in one.socket.getpeercert()["subject"])["commonName"].encode()
    while one.request() is not None:
        one.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(subject), subject))


def test_only_the_authorities_that_an_endpoint_names_are_trusted(authority):
    other = Authority("another authority")
    with raw(answering(), authority.context()) as server, calling() as caller:
        assert caller.post(server.url).error_class == "tls"
        assert caller.post(server.url, tls=trusting(other)).error_class == "tls"
        good = caller.post(server.url, tls=trusting(authority))
        assert (good.status, good.error_class) == (200, None)
        assert good.tls_ms > 0
        assert caller.post(server.url).error_class == "tls", "a connection of one that trusts was used by one that does not"
        assert caller.post(server.url, tls=trusting(other)).error_class == "tls"


def test_an_authority_of_ones_own_replaces_the_public_ones(authority, monkeypatch, tmp_path):
    public = Authority("public")
    (tmp_path / "public.pem").write_text(public.pem)
    monkeypatch.setattr("delivery.transfer._PUBLIC_CA", str(tmp_path / "public.pem"))
    with raw(answering(), public.context()) as server, calling() as caller:
        assert caller.post(server.url).status == 200
        assert caller.post(server.url, tls=trusting(authority)).error_class == "tls"
        assert caller.post(server.url).status == 200


def test_the_name_has_to_be_right(authority):
    with raw(answering(), authority.context()) as server, calling() as caller:
        assert caller.post(server.url.replace("127.0.0.1", "localhost"), tls=trusting(authority)).status == 200
        assert caller.post(server.url.replace("127.0.0.1", "127.0.0.2"), tls=trusting(authority)).error_class in {
            "connect",
            "tls",
        }
    with raw(answering(), authority.context(), address="127.0.0.2") as server, calling() as caller:
        assert caller.post(server.url.replace("127.0.0.1", "127.0.0.2"), tls=trusting(authority)).error_class == "tls"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_of_tls_are_refused(authority):
    context = authority.context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with raw(answering(), context) as server, calling() as caller:
        assert caller.post(server.url, tls=trusting(authority)).error_class == "tls"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_endpoint_shows_its_own_certificate_whatever_was_connected_before(authority, version):
    """One server, three endpoints, requests interleaved and together: each arrives under its own name or not at all."""
    context = authority.context(clients=True)
    context.minimum_version = context.maximum_version = version
    names = {
        "shop-a": trusting(authority, "shop-a"),
        "shop-b": trusting(authority, "shop-b"),
        "shop-c": trusting(authority, "shop-c"),
    }
    with raw(telling_who, context) as server, calling() as caller:
        for _ in range(3):
            for name, own in names.items():
                assert caller.post(server.url, tls=own).head == name.encode()
                nobody = caller.post(server.url, tls=trusting(authority))
                assert nobody.error_class in {"tls", "reset"}, nobody
        wanted = list(names) * 20
        requests = [Request(url=server.url, headers=["Expect:"], body=b"{}", timeout_s=10.0, tls=names[n]) for n in wanted]
        assert [o.head.decode() for o in caller.all(requests)] == wanted
        sequential = server.connections
        for name, own in names.items():
            assert caller.post(server.url, tls=own).head == name.encode()
        assert server.connections == sequential, "connections of the same credentials are used again"


def test_a_new_version_of_an_endpoint_does_not_use_the_old_ones_connection(authority):
    with raw(telling_who, authority.context(clients=True)) as server, calling() as caller:
        old, new = trusting(authority, "old"), trusting(authority, "new")
        assert [caller.post(server.url, tls=t).head for t in (old, new, old, new)] == [b"old", b"new", b"old", b"new"]


# --- HTTP/2


class TwoServer:
    """HTTP/2 by h2. Paths: /hang is never answered, /reset ends the stream, /goaway the connection, all else is 200."""

    def __init__(self, streams: int = 100) -> None:
        self.streams = streams
        self.most: list[int] = []  # streams open at once, of each connection

    def __call__(self, one) -> None:
        self.most.append(0)
        TwoConnection(self, one, len(self.most) - 1).serve()


class TwoConnection:
    def __init__(self, server: TwoServer, one, number: int) -> None:
        self.server, self.one, self.number = server, one, number
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.open: dict[int, bytes] = {}
        self.lock = threading.Lock()

    def serve(self) -> None:
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.server.streams})
        self.one.send(self.h2.data_to_send())
        while data := self.one.socket.recv(65536):
            with self.lock:
                events = self.h2.receive_data(data)
                ended = [event.stream_id for event in events if self.take(event)]
                for stream in ended:
                    self.act(stream, self.open[stream])
                self.one.send(self.h2.data_to_send())
            if b"/goaway" in self.open.values():
                return

    def take(self, event) -> bool:
        """Whether a request is whole."""
        if isinstance(event, h2.events.RequestReceived):
            self.open[event.stream_id] = dict(event.headers)[b":path"]
            self.server.most[self.number] = max(self.server.most[self.number], len(self.open))
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.open.pop(event.stream_id, None)
        return isinstance(event, h2.events.StreamEnded)

    def act(self, stream: int, path: bytes) -> None:
        if path == b"/reset":
            del self.open[stream]
            self.h2.reset_stream(stream, 2)
        elif path == b"/goaway":
            self.h2.close_connection(1)
        elif path != b"/hang":
            threading.Timer(0.05, self.answer, (stream,)).start()

    def answer(self, stream: int) -> None:
        with self.lock, contextlib.suppress(OSError):
            if self.open.pop(stream, None) is None:
                return
            self.h2.send_headers(stream, [(":status", "200"), ("content-length", "2"), ("x-two", "yes")])
            self.h2.send_data(stream, b"ok", end_stream=True)
            self.one.send(self.h2.data_to_send())


def two(authority: Authority) -> ssl.SSLContext:
    context = authority.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def test_many_requests_share_one_connection_where_the_receiver_speaks_http2(authority):
    talk, own = TwoServer(), trusting(authority)
    with raw(talk, two(authority)) as server, calling() as caller:
        one = Request(url=server.url + "/hook", headers=["Expect:", "X-A: b"], body=b"x" * 1000, timeout_s=10.0, tls=own)
        assert caller.all([one])[0].status == 200  # requests that start together connect each; the next ones find a connection
        for _ in range(3):
            outcomes = caller.all([one] * 64)
            assert {(o.status, o.error_class, o.head, o.headers["x-two"]) for o in outcomes} == {(200, None, b"ok", "yes")}
        assert server.connections == 1
        assert max(talk.most) > 16


def test_a_receiver_may_limit_its_streams(authority):
    talk, own = TwoServer(streams=5), trusting(authority)
    with raw(talk, two(authority)) as server, calling() as caller:
        request = Request(url=server.url + "/hook", headers=["Expect:"], body=b"{}", timeout_s=10.0, tls=own)
        assert caller.all([request])[0].status == 200  # the receiver has said how many it takes
        assert {o.status for o in caller.all([request] * 40)} == {200}
        assert talk.most[0] <= 5


def test_one_stream_ends_badly_and_the_others_do_not(authority):
    talk, own = TwoServer(), trusting(authority)
    with raw(talk, two(authority)) as server, calling() as caller:
        paths = ["/hook", "/hang", "/hook", "/reset", "/hook"] * 4
        requests = [Request(url=server.url + p, headers=["Expect:"], body=b"{}", timeout_s=1.0, tls=own) for p in paths]
        found = [o.error_class for o in caller.all(requests)]
        assert found == [{"/hook": None, "/hang": "timeout", "/reset": "reset"}[p] for p in paths]
        assert server.connections <= len(paths)
        assert caller.post(server.url + "/goaway", tls=own).error_class in {"reset", "protocol"}
        assert caller.post(server.url + "/hook", tls=own).status == 200


def test_http2_connections_are_not_shared_by_endpoints_that_trust_differently(authority):
    other = Authority("another authority")
    with raw(TwoServer(), two(authority)) as server, calling() as caller:
        assert caller.post(server.url + "/hook", tls=trusting(authority)).status == 200
        assert caller.post(server.url + "/hook", tls=trusting(other)).error_class == "tls"
        assert caller.post(server.url + "/hook").error_class == "tls"


def test_without_http2_all_go_at_once_over_connections_of_their_own(authority):
    with raw(answering(OK), authority.context()) as server, calling() as caller:
        request = Request(url=server.url, headers=["Expect:"], body=b"{}", timeout_s=10.0, tls=trusting(authority))
        assert {o.status for o in caller.all([request] * 30)} == {200}
