"""The corpus of hostile addresses against the rules: refused when an endpoint is made, and when a request is built."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from console.urls import problem_of
from delivery.egress import allowed

CORPUS = json.loads((Path(__file__).parents[1] / "vectors" / "egress.json").read_text())
WHOLE = [case | {"url": case["url"].replace("{port}", "8080")} for case in CORPUS]


def test_the_corpus_is_as_large_as_it_says():
    assert len(CORPUS) >= 400
    assert len({case["url"] for case in CORPUS}) == len(CORPUS)
    assert min(Counter(case["group"] for case in CORPUS).values()) >= 6


def test_every_one_is_refused_when_an_endpoint_is_made_but_names_that_only_resolving_tells():
    wrong = [c["url"] for c in WHOLE if (problem_of(c["url"]) is None) != (c["console"] == "accepted")]
    assert wrong == []


def literals() -> list[str]:
    hosts = []
    for case in WHOLE:
        try:
            host = urlsplit(case["url"]).hostname or ""
            ipaddress.ip_address(re.sub(r"%25.*", "", host))
        except ValueError:
            continue
        hosts.append(host)
    return hosts


def test_every_literal_is_refused_at_the_moment_of_connecting():
    found = literals()
    assert len(found) >= 150
    assert [host for host in found if allowed(host)] == []


@pytest.mark.parametrize(
    "url", ["https://shop.example/", "http://8.8.8.8:81/x?y=z", "https://[2606:4700::1111]/", "https://a-b.c_d.example./"]
)
def test_what_is_public_is_accepted(url):
    assert problem_of(url) is None


def test_a_deployment_that_allows_a_network_may_use_private_names():
    assert problem_of("http://receiver.internal/") is not None
    assert problem_of("http://receiver.internal/", [ipaddress.ip_network("10.0.0.0/8")]) is None
    assert problem_of("http://10.1.2.3/", [ipaddress.ip_network("10.0.0.0/8")]) is None
    assert problem_of("http://[::ffff:10.1.2.3]/", [ipaddress.ip_network("10.0.0.0/8")]) is None
    assert problem_of("http://192.168.0.1/", [ipaddress.ip_network("10.0.0.0/8")]) is not None
