"""Repository patterns: literal ones cost nothing, wild ones need the catalogue."""

import pytest

from preverify.model.errors import NotFound, Unavailable
from preverify.model.reasons import Reason
from preverify.registry.listing import expand, matches


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**", "a/b/c", True),
        ("shop/**", "shop/api", True),
        ("shop/**", "shop/api/web", True),
        ("shop/**", "shopping/api", False),
        ("shop/*", "shop/api", True),
        ("shop/*", "shop/api/web", False),
        ("*/api", "shop/api", True),
        ("*/api", "a/shop/api", False),
        ("shop/a*i", "shop/api", True),
        ("shop/api", "shop/api", True),
        ("shop/api", "shop/apix", False),
        ("shop.x/*", "shopyx/a", False),
    ],
)
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, path) is fits


def catalog() -> tuple[tuple[str, ...], bool]:
    return ("shop/api", "shop/web", "other/x"), False


def refused() -> tuple[tuple[str, ...], bool]:
    raise Unavailable("no catalogue", reason=Reason.REGISTRY_REFUSED)


def absent() -> tuple[tuple[str, ...], bool]:
    raise NotFound("no catalogue")


def down() -> tuple[tuple[str, ...], bool]:
    raise Unavailable("down")


def test_wild_patterns_are_expanded() -> None:
    assert expand(["shop/*", "literal"], catalog) == ("literal", "shop/api", "shop/web")


def test_literal_patterns_do_not_ask() -> None:
    assert expand(["shop/api", "a"], down) == ("a", "shop/api")


@pytest.mark.parametrize("answer", [refused, absent])
def test_without_a_catalogue_the_literal_ones_are_left(answer) -> None:
    assert expand(["shop/*", "literal"], answer) == ("literal",)
    with pytest.raises(Unavailable, match="name repositories") as caught:
        expand(["shop/*"], answer)
    assert caught.value.reason is Reason.REGISTRY_REFUSED


def test_registry_that_is_down_is_never_taken_for_an_empty_one() -> None:
    with pytest.raises(Unavailable) as caught:
        expand(["shop/*", "literal"], down)
    assert caught.value.reason is Reason.REGISTRY_UNAVAILABLE
