"""Deliveries through a proxy: it is told addresses that were judged here, and nothing gets around it."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import threading
import time

import pytest

from delivery.authorize import Authorizer
from delivery.curl import CurlClient
from delivery.proxied import Proxied
from delivery.tls import Tls
from delivery.transfer import Request
from runtime.clock import SystemClock
from runtime.settings import Settings, SettingsError
from tests.authority import Authority
from tests.raw import answering, raw

CLOCK = SystemClock()
PUBLIC = "93.184.216.34"


class Proxy:
    """Tunnels by CONNECT. Whatever public address is asked for, `reach` is what it connects to."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.asked: list[str] = []
        self.heads: list[bytes] = []

    def __call__(self, one) -> None:
        head, _ = one.request()
        self.heads.append(head)
        self.asked.append(head.split(b" ")[1].decode())
        if not self.reach:
            one.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        one.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.reach)) as far:
            pair = {one.socket: far, far: one.socket}
            with contextlib.suppress(OSError):
                while one.wait(0):
                    for ready in select.select(list(pair), [], [], 0.2)[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        pair[ready].sendall(data)


class Names:
    """A resolver under the test's control; each look at a name gives the next answer, the last one again and again."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.looks = 0

    def __call__(self, host: str, _port: int) -> list[str]:
        self.looks += 1
        left = self.answers.get(host.split(".", maxsplit=1)[0])
        if left is None:
            raise socket.gaierror(-2, "Name or service not known")
        return left.pop(0) if len(left) > 1 else left[0]


@contextlib.contextmanager
def through(proxy_url: str, names: Names | None = None, allow=()):
    from tests.raw import Caller

    caller = Caller()
    caller.client.close()
    http = CurlClient(clock=CLOCK, egress_allow=allow, proxy=proxy_url)
    caller.http = http
    caller.client = Authorizer(Proxied(http, clock=CLOCK, allow=allow, resolve=names), CLOCK)
    try:
        yield caller
    finally:
        caller.client.close()


def test_the_proxy_is_told_the_address_and_the_receiver_the_name():
    authority = Authority()
    own = Tls(ca=authority.pem.encode())
    with raw(answering(), authority.context("shop.example")) as server:
        proxy = Proxy(server.port)
        with raw(proxy) as one, through(one.url, Names(shop=[[PUBLIC]])) as caller:
            for _ in range(3):
                outcome = caller.post("https://shop.example/hook", tls=own)
                assert (outcome.status, outcome.error_class) == (200, None), outcome
            assert proxy.asked == [f"{PUBLIC}:443"], "one tunnel, used again"
        assert all(head.split(b"\r\n")[1] == b"Host: shop.example" for head in server.heads)
        assert len(server.heads) == 3


def test_plain_http_goes_through_a_tunnel_as_well():
    with raw(answering()) as server:
        proxy = Proxy(server.port)
        with raw(proxy) as one, through(one.url, Names(shop=[[PUBLIC]], six=[["2606:4700::1111"]])) as caller:
            assert caller.post("http://shop.example:8080/hook").status == 200
            assert caller.post("http://six.example/hook").status == 200
        assert proxy.asked == [f"{PUBLIC}:8080", "[2606:4700::1111]:80"]
        assert b"Host: shop.example:8080" in server.heads[0]
        assert b"webhook" not in b"".join(proxy.heads).lower()


def test_the_credentials_of_the_proxy_go_to_the_proxy_alone():
    with raw(answering()) as server:
        proxy = Proxy(server.port)
        with raw(proxy) as one, through(one.url.replace("://", "://user:pw@"), Names(shop=[[PUBLIC]])) as caller:
            assert caller.post("http://shop.example/").status == 200
        assert b"Proxy-Authorization: Basic dXNlcjpwdw==" in proxy.heads[0]
        assert b"proxy" not in server.heads[0].lower()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://2130706433/",
        "http://169.254.169.254/",
        "http://private.example/",
        "http://[::ffff:10.0.0.1]/",
    ],
)
def test_private_addresses_never_get_to_the_proxy(url):
    names = Names(private=[["10.0.0.1", "fd00::1"]])

    def resolve(host: str, port: int) -> list[str]:
        from delivery.proxied import addresses

        return names(host, port) if host.endswith(".example") else list(addresses(host, port))

    with raw(Proxy(0)) as one, through(one.url, resolve) as caller:
        outcome = caller.post(url)
        assert outcome.error_class == "refused_address", outcome
        assert "HUB_EGRESS_ALLOW" in outcome.error
        assert one.connections == 0


def test_a_name_that_changes_between_two_looks_leads_nowhere_else():
    names = Names(rebind=[[PUBLIC], ["127.0.0.1"]])
    with raw(answering()) as server:
        proxy = Proxy(server.port)
        with raw(proxy) as one, through(one.url, names) as caller:
            assert caller.post("http://rebind.example/").status == 200
            assert caller.post("http://rebind.example/").error_class == "refused_address"
            assert proxy.asked == [f"{PUBLIC}:80"]


def test_of_mixed_answers_a_public_one_is_used():
    with raw(answering()) as server:
        proxy = Proxy(server.port)
        with raw(proxy) as one, through(one.url, Names(mixed=[["10.0.0.1", PUBLIC]])) as caller:
            assert caller.post("http://mixed.example/").status == 200
            assert proxy.asked == [f"{PUBLIC}:80"]


def test_failures_are_the_proxys_and_say_so(monkeypatch):
    names = Names(shop=[[PUBLIC]])
    with raw(Proxy(0)) as one, through(one.url, names) as caller:
        outcome = caller.post("http://shop.example/")
        assert (outcome.error_class, outcome.status) == ("connect", None)
        assert "403" in outcome.error
        assert caller.post("http://nobody.example/").error_class == "dns"
    with through("http://127.0.0.1:1", names) as caller:
        assert caller.post("http://shop.example/").error_class == "connect"
    monkeypatch.setenv("no_proxy", "*")
    with raw(answering()) as server, raw(Proxy(server.port)) as one, through(one.url, names) as caller:
        assert caller.post("http://shop.example/").status == 200
        assert one.connections == 1


def test_a_slow_resolver_holds_nobody_else_up():
    gate = threading.Event()

    def resolve(host: str, _port: int) -> list[str]:
        if host == "slow.example":
            gate.wait(5)
        return [PUBLIC]

    with raw(answering()) as server, raw(Proxy(server.port)) as one, through(one.url, resolve) as caller:
        found = []
        caller.client.start(Request(url="http://slow.example/", headers=["Expect:"], body=b"", timeout_s=0.2), found.append)
        began = time.monotonic()
        quick = []
        caller.client.start(Request(url="http://quick.example/", headers=["Expect:"], body=b"", timeout_s=2.0), quick.append)
        while not quick:
            caller.client.run_once(0.05)
            assert time.monotonic() - began < 2
        assert quick[0].status == 200
        assert caller.client.in_flight == 1
        time.sleep(0.3)
        gate.set()
        while not found:
            caller.client.run_once(0.05)
        assert found[0].error_class == "dns"


def test_exceptions_of_the_deployment_count_behind_a_proxy_too():
    allow = (ipaddress.ip_network("10.1.0.0/16"),)
    with raw(answering()) as server:
        proxy = Proxy(server.port)
        with raw(proxy) as one, through(one.url, Names(inside=[["10.1.2.3"]], other=[["10.2.2.3"]]), allow) as caller:
            assert caller.post("http://inside.example/").status == 200
            assert caller.post("http://other.example/").error_class == "refused_address"
            assert proxy.asked == ["10.1.2.3:80"]


def test_the_setting_is_judged_and_its_password_not_shown():
    good = Settings.from_env({"HUB_EGRESS_PROXY": "http://user:pass-word@proxy:3128"})
    assert "pass-word" not in repr(good)
    with pytest.raises(SettingsError, match="HUB_EGRESS_PROXY") as e:
        Settings.from_env({"HUB_EGRESS_PROXY": "ftp://user:pass-word@proxy:3128"})
    assert "pass-word" not in str(e.value)
