"""Small values for tests."""

from preverify.model.digest import Digest


def digest_of_number(number: int) -> Digest:
    """Return a digest that only differs by `number`."""
    return Digest("sha256", f"{number:064x}")
