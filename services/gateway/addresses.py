"""Whose address a request comes from, when proxies stand between. Pure.

A forwarded address is a claim of whoever sent it: only those of proxies that the operator named are believed, from the
right, hop by hop, up to the first address that is not one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

HOPS_LIMIT: Final = 32
UNKNOWN: Final = "unknown"
_V6_PREFIX: Final = 64


def network_of(text: str) -> Network:
    """The network of a setting: an address, or `address/bits`.

    Raises:
        ValueError: it is neither.
    """
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text} is no address and no network as 10.0.0.0/8: {error}") from error


def is_trusted(peer: str, proxies: Sequence[Network]) -> bool:
    """Whether what this peer forwards is believed."""
    address = _read(peer)
    return address is not None and _in_any(address, proxies)


def client_of(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """Who is counted for a request: `forwarded` are the values of its `X-Forwarded-For` headers, in order.

    An IPv6 address is counted by its /64, which is what one customer of a network gets.
    """
    address = _read(peer)
    if address is None:
        return UNKNOWN
    if _in_any(address, proxies):
        hops = ",".join(forwarded).split(",")[-HOPS_LIMIT:]
        for hop in reversed(hops):
            claimed = _read(hop)
            if claimed is None:
                break
            address = claimed
            if not _in_any(address, proxies):
                break
    return _counted(address)


def _counted(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), _V6_PREFIX), strict=False))


def _in_any(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _read(text: str) -> Address | None:
    """An address as proxies write it: with a port or without, in brackets or not."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
