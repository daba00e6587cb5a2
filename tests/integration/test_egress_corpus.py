"""The corpus of hostile addresses against the real client: nothing listening here, on any local address, is ever reached.

Names are resolved as the test says: libcurl is handed the answers (CURLOPT_RESOLVE), the guard sees them as it sees DNS's.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import threading
from pathlib import Path

import pycurl
import pytest

from delivery import curl
from delivery.request import RequestBuilder
from delivery.transfer import Request, Transfer
from runtime.config import Endpoint, Secret
from schemas.records import EndpointConfig
from tests.lab import SECRET
from tests.raw import answering, calling, raw

CORPUS = json.loads((Path(__file__).parents[1] / "vectors" / "egress.json").read_text())
PRIVATE_ANSWERS = {
    "v6loopback": ["::1"], "mapped": ["::ffff:127.0.0.1"], "metadata": ["169.254.169.254"], "mixed": ["10.0.0.1", "::1", "127.0.0.1"],
    "private": ["10.0.0.1"], "instance-data": ["169.254.169.254"],
}  # fmt: skip


class Everywhere:
    """Listens on one port of all local addresses, IPv4 and IPv6, and counts who comes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
        self.port = self.listener.getsockname()[1]
        self.reached = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.reached += 1
                connection.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def everywhere():
    one = Everywhere()
    yield one
    one.close()


class Names:
    """What names resolve to, one answer a look, the last one again and again."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], list[list[str]]] = {}

    def take(self, name: str, port: int, *answers: list[str]) -> None:
        self.answers[name, port] = list(answers)

    def next(self) -> list[str]:
        lines = []
        for (name, port), left in self.answers.items():
            found = left.pop(0) if len(left) > 1 else left[0]
            addresses = ",".join(f"[{a}]" if ":" in a else a for a in found)
            lines += [f"-{name}:{port}", f"{name}:{port}:{addresses}"]
        return lines


@pytest.fixture
def names(monkeypatch):
    """Every transfer asks the test's names instead of DNS."""
    known = Names()

    class Resolving(Transfer):
        def prepare(self, request, done, now_ms):
            handle = super().prepare(request, done, now_ms)
            handle.setopt(pycurl.RESOLVE, known.next())
            return handle

    monkeypatch.setattr(curl, "Transfer", Resolving)
    return known


def builder(url: str) -> RequestBuilder:
    config = EndpointConfig(
        id="ep", tenant="default", url=url, description="", event_types=["*"], channels=[], headers={}, secrets=[], timeout_s=3.0,
        max_in_flight=8, retry_schedule=[], state="active", created_at=1, updated_at=1,
    )  # fmt: skip
    return RequestBuilder(Endpoint(config, (Secret("s1", SECRET),), {}))


def host_of(url: str) -> str:
    return url.removeprefix("http://").partition(":")[0]


def outcomes(caller, urls: list[str]) -> dict[str, str | None]:
    """Error class of each URL when the client gets it as it is; "no request" where it cannot even be handed over."""
    found: dict[str, str | None] = {}
    for url in urls:
        try:
            found[url] = caller.post(url, timeout_s=3.0).error_class
        except ValueError:  # not ASCII, or with a NUL
            found[url] = "no request"
    return found


def test_none_of_the_corpus_is_reached(everywhere, names):
    urls = [case["url"].replace("{port}", str(everywhere.port)) for case in CORPUS]
    for case in CORPUS:
        host = host_of(case["url"])
        if case["console"] == "accepted" or "zones" in case["group"]:
            names.take(host, everywhere.port, PRIVATE_ANSWERS.get(host.split(".", maxsplit=1)[0], ["127.0.0.1"]))
    names.take("public.example", everywhere.port, ["127.0.0.1"])
    with calling(egress_allow=()) as caller:
        found = outcomes(caller, urls)
    assert everywhere.reached == 0
    unexpected = {u: c for u, c in found.items() if c not in {"refused_address", "bad_url", "dns", "no request"}}
    assert unexpected == {}
    assert sum(c == "refused_address" for c in found.values()) >= 300
    literal = [u for case, u in zip(CORPUS, urls, strict=True) if "IPv6" in case["group"] or "notations" in case["group"]]
    assert {found[u] for u in literal} == {"refused_address"}
    resolved = [u for case, u in zip(CORPUS, urls, strict=True) if case["console"] == "accepted"]
    assert {found[u] for u in resolved} == {"refused_address"}


def test_the_corpus_would_be_reached_without_the_guard(everywhere, names):
    """The negative control: the same client with everything allowed does connect, so the count above means something."""
    names.take("loopback.attacker.example", everywhere.port, ["127.0.0.1"])
    urls = [
        c["url"].replace("{port}", str(everywhere.port))
        for c in CORPUS
        if c["url"].startswith(
            ("http://127", "http://2130706433", "http://0x7f", "http://[::ffff:127", "http://loopback.", "http://public.example@")
        )
    ]
    with calling(egress_allow=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))) as caller:
        outcomes(caller, urls)
    assert everywhere.reached >= 20


def test_the_request_builder_refuses_what_can_be_told_without_resolving(everywhere):
    told = 0
    for case in CORPUS:
        url = case["url"].replace("{port}", str(everywhere.port))
        try:
            made = builder(url)
        except ValueError as e:
            told += 1
            assert "url" in str(e)  # noqa: PT017 - most do not raise: the guard is for those
            continue
        assert made is not None
        assert url.isascii()
        assert url.isprintable()
        assert "@" not in url.split("/")[2]
    assert told >= 80


def test_a_name_that_changes_its_mind_is_refused_at_the_next_connection(everywhere, names):
    """Rebinding. 127.0.0.2 stands in for a public address: it alone is allowed."""
    allow = (ipaddress.ip_network("127.0.0.2/32"),)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    with raw(answering(answer), address="127.0.0.2") as public, calling(egress_allow=allow) as caller:
        url = f"http://rebind.attacker.example:{public.port}/"
        names.take(
            "rebind.attacker.example",
            public.port,
            ["127.0.0.2"],
            ["127.0.0.1"],
            ["::1"],
            ["::ffff:127.0.0.1"],
            ["169.254.169.254"],
        )
        with socket.create_server(("127.0.0.1", public.port)) as private:
            private.settimeout(0.2)
            found = [caller.post(url).error_class for _ in range(6)]
            with pytest.raises(TimeoutError):
                private.accept()
        assert found == [None] + ["refused_address"] * 5
        assert public.connections == 1


def test_of_several_answers_only_the_allowed_one_is_connected_to(names):
    allow = (ipaddress.ip_network("127.0.0.2/32"),)
    with (
        raw(answering(), address="127.0.0.2") as public,
        calling(egress_allow=allow) as caller,
        socket.create_server(("127.0.0.1", public.port)) as private,
    ):
        private.settimeout(0.2)
        for answers in (["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["::1", "127.0.0.1", "127.0.0.2"]):
            names.take("mixed.attacker.example", public.port, answers)
            outcome = caller.post(f"http://mixed.attacker.example:{public.port}/")
            assert outcome.error_class in {None, "refused_address"}
        with pytest.raises(TimeoutError):
            private.accept()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_no_redirect_is_followed(everywhere, status):
    allow = (ipaddress.ip_network("127.0.0.2/32"), ipaddress.ip_network("127.0.0.1/32"))  # even where it would be let through
    where = [
        f"http://127.0.0.1:{everywhere.port}/",
        f"//127.0.0.1:{everywhere.port}/",
        "file:///etc/passwd",
        f"http://u@127.1:{everywhere.port}",
    ]
    for target in where:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nRefresh: 0;url={target}\r\nContent-Length: 0\r\n\r\n"
        with raw(answering(head.encode()), address="127.0.0.2") as server, calling(egress_allow=allow) as caller:
            outcome = caller.post(f"http://127.0.0.2:{server.port}/hook")
        assert (outcome.error_class, outcome.status) == ("redirect", status)
        assert outcome.head == b""
    assert everywhere.reached == 0


def test_refused_ones_beside_others_hold_nobody_up(everywhere):
    with raw(answering(), address="127.0.0.2") as server, calling(egress_allow=(ipaddress.ip_network("127.0.0.2/32"),)) as caller:
        urls = [f"http://127.0.0.2:{server.port}/", f"http://127.0.0.1:{everywhere.port}/"] * 40
        found = caller.all([Request(url=u, headers=["Expect:"], body=b"{}", timeout_s=5.0) for u in urls])
    assert [o.error_class for o in found] == [None, "refused_address"] * 40
    assert everywhere.reached == 0
