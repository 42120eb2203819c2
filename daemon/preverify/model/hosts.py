"""Host names and addresses, as far as it matters whose they are."""

import ipaddress


def is_loopback_host(host: str) -> bool:
    """Say whether `host` is this machine, reached from nowhere else.

    >>> is_loopback_host("localhost"), is_loopback_host("::1"), is_loopback_host("registry.example")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
