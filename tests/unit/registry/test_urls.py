"""URLs that others hand us have one meaning or are refused."""

import pytest

from preverify.model.errors import BadInput
from preverify.registry.urls import Url

BASE = Url("https", "registry.example", "/v2/a/tags/list")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://registry.example/x?y=1", "https://registry.example/x?y=1"),
        ("HTTPS://Registry.Example:443/x", "https://registry.example/x"),
        ("http://registry.example:80", "http://registry.example/"),
        ("http://registry.example:8080/", "http://registry.example:8080/"),
        ("https://[::1]:5000/x", "https://[::1]:5000/x"),
        ("https://[FD00::1]/x", "https://[fd00::1]/x"),
    ],
)
def test_absolute_urls_are_normalised(text: str, expected: str) -> None:
    assert str(Url.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/v2/a/tags/list?n=1&last=b", "https://registry.example/v2/a/tags/list?n=1&last=b"),
        ("?n=1", "https://registry.example/v2/a/tags/list?n=1"),
        ("//other.example/x", "https://other.example/x"),
        ("http://other.example/x", "http://other.example/x"),
    ],
)
def test_relative_urls_are_resolved(text: str, expected: str) -> None:
    assert str(Url.parse(text, base=BASE)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "registry.example",
        "/relative/without/base",
        "ftp://registry.example/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user@registry.example/",
        "https://user:password@registry.example/",
        "https://registry.example\\@evil.example/",
        "https://registry.example/a b",
        "https://registry.example/\n",
        "https://registry.example/\x00",
        "https://registry.example/#x",
        "https://registry.example:0/",
        "https://registry.example:65536/",
        "https://registry.example:port/",
        "https://regіstry.example/",  # noqa: RUF001  # a Cyrillic letter on purpose
        "https://-registry.example/",
        "https://registry.example?x",
        "https://registry.example/" + "a" * 9000,
        "https://[::1/",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Url.parse(text)


def test_query_is_added_to_whatever_is_there() -> None:
    assert BASE.with_query("a=1").with_query("b=2").target == "/v2/a/tags/list?a=1&b=2"
    assert BASE.with_query("") is BASE
    assert BASE.with_query("a=1").path == "/v2/a/tags/list"
    assert BASE.origin == ("https", "registry.example")
