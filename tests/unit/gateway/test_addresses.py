"""Whose address counts, and which pages may speak."""

from __future__ import annotations

import pytest

from services.gateway.addresses import UNKNOWN, client_of, is_trusted, network_of
from services.gateway.doors.headers import is_https
from services.gateway.origins import checked_origin, is_allowed

PROXIES = tuple(network_of(text) for text in ("10.0.0.0/8", "192.0.2.7", "fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["1.1.1.1, 203.0.113.9, 192.0.2.7"], "203.0.113.9"),
        ("10.1.2.3", ["1.1.1.1", "203.0.113.9", "10.9.9.9"], "203.0.113.9"),
        ("10.1.2.3", ["10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["203.0.113.9:5060"], "203.0.113.9"),
        ("10.1.2.3", ["[2001:db8:1:2::7]:5060"], "2001:db8:1:2::/64"),
        ("10.1.2.3", ["203.0.113.9, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9, ', 192.0.2.7"], "192.0.2.7"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("fd00::1", ["203.0.113.9"], "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", [], "2001:db8:1:2::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("::ffff:198.51.100.1", [], "198.51.100.1"),
        ("::ffff:10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("", ["203.0.113.9"], UNKNOWN),
        ("a socket file", [], UNKNOWN),
    ],
)
def test_a_forwarded_address_counts_only_behind_proxies_that_are_trusted(peer, forwarded, client) -> None:
    assert client_of(peer, forwarded, PROXIES) == client


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_of("127.0.0.1", ["203.0.113.9"], ()) == "127.0.0.1"
    assert not is_trusted("127.0.0.1", ())


def test_a_long_chain_of_addresses_is_read_from_its_end() -> None:
    assert client_of("10.1.2.3", [", ".join(["203.0.113.9"] + ["10.0.0.1"] * 100_000)], PROXIES) == "10.0.0.1"


@pytest.mark.parametrize(
    ("said", "trusted", "https"),
    [
        (["https"], True, True),
        (["http, https"], True, True),
        (["HTTPS "], True, True),
        (["wss"], True, True),
        (["https"], False, False),
        (["https, http"], True, False),
        (["https", "http"], True, False),
        ([], True, False),
    ],
)
def test_tls_is_what_a_trusted_proxy_says_last(said, trusted, https) -> None:
    assert is_https(said, trusted=trusted) is https


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "chat.example", True),
        (None, None, True),
        ("https://chat.example", "chat.example", True),
        ("https://chat.example:443", "chat.example", True),
        ("https://chat.example", "chat.example:443", True),
        ("http://chat.example", "chat.example:80", True),
        ("https://CHAT.example", "chat.EXAMPLE", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("https://friend.example", "chat.example", True),
        ("https://friend.example:8443", "chat.example", False),
        ("http://friend.example", "chat.example", False),
        ("https://evil.example", "chat.example", False),
        ("https://chat.example.evil.example", "chat.example", False),
        ("https://evil.example/chat.example", "chat.example", False),
        ("https://chat.example@evil.example", "chat.example", False),
        ("http://chat.example:8080", "chat.example", False),
        ("http://localhost:8080", "127.0.0.1:8080", False),
        ("null", "chat.example", False),
        ("", "chat.example", False),
        ("file://", "chat.example", False),
        ("https://[", "chat.example", False),
        ("https://chat.example", None, False),
        ("https://a, https://chat.example", "chat.example", False),
    ],
)
def test_pages_of_the_own_host_and_of_listed_origins_may_speak(origin, host, allowed) -> None:
    assert is_allowed(origin, host, ("https://friend.example",)) is allowed


def test_a_star_allows_every_page() -> None:
    assert is_allowed("null", "chat.example", ("*",))


@pytest.mark.parametrize(
    ("text", "origin"),
    [("https://Chat.Example/", "https://chat.example"), ("http://chat.example:8080", "http://chat.example:8080")],
)
def test_an_origin_is_written_as_browsers_write_it(text, origin) -> None:
    assert checked_origin(text) == origin


@pytest.mark.parametrize(
    "text", ["chat.example", "https://", "ftp://a", "https://a/path", "https://a?b", "https://u@a"]
)
def test_what_is_no_origin_is_refused(text) -> None:
    with pytest.raises(ValueError, match="origin"):
        checked_origin(text)


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "proxy.example"])
def test_what_is_no_network_is_refused(text) -> None:
    with pytest.raises(ValueError, match="network"):
        network_of(text)
