"""Which addresses a connection may go to. Judged on the address itself, at the moment of connecting."""

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_SITE_LOCAL = IPv6Network("fec0::/10")
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class Reach(Enum):
    """How far a request may go."""

    PUBLIC = "public"  # only addresses of the public internet
    PRIVATE = "private"  # private and loopback addresses too; never link-local ones, where clouds keep their metadata


def refusal(address: str, reach: Reach) -> str | None:
    """Say why a connection to `address` is refused under `reach`; None where it is allowed.

    Args:
        address: A numeric IPv4 or IPv6 address, as the socket layer gives it (a scope id is ignored).
        reach: What the source's configuration allows for the host in question.

    >>> refusal("169.254.169.254", Reach.PRIVATE)
    'link-local address 169.254.169.254'
    """
    ip = _innermost(ip_address(address.partition("%")[0]))
    if ip.is_link_local:
        return f"link-local address {address}"
    if ip.is_multicast or ip.is_unspecified:
        return f"multicast or unspecified address {address}"
    if reach is Reach.PUBLIC and (not ip.is_global or ip in _SITE_LOCAL):
        return f"private address {address}"
    return None


def _innermost(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address carries, where it carries one: that is where packets end up."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if any(ip in network for network in _NAT64) or (int(ip) >> 32 == 0 and int(ip) > 1):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip
