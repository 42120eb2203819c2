"""Which hosts are this machine."""

import pytest

from preverify.model.hosts import is_loopback_host


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("", False),
        ("0.0.0.0", False),  # the opposite: every address
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_only_loopback_addresses_and_localhost_are_this_machine(host: str, expected: bool) -> None:
    """What only looks like it is not."""
    assert is_loopback_host(host) is expected
