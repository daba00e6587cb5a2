"""The egress guard on addresses: what is refused in every notation, what is let through."""

from __future__ import annotations

import ipaddress

import pytest

from delivery.egress import allowed

REFUSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1",
    "169.254.169.254", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
    "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "5f00::1",
]  # fmt: skip
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "2a00:1450::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address):
    assert not allowed(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_allowed(address):
    assert allowed(address)


@pytest.mark.parametrize(
    "address", ["", "localhost", "2130706433", "0x7f000001", "127.1", "1.1.1.1.", "1.1.1.1\n", "/run/x.sock"]
)
def test_what_is_no_literal_is_refused(address):
    assert not allowed(address)


def test_exceptions_cover_mapped_forms_too():
    exceptions = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    assert allowed("127.0.0.1", exceptions)
    assert allowed("::ffff:127.0.0.1", exceptions)
    assert allowed("::1", exceptions)
    assert not allowed("10.0.0.1", exceptions)
