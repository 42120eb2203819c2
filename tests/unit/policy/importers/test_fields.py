"""Nothing of a foreign document is passed over."""

import re

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document
from preverify.policy.importers.fields import Fields, documents, kubernetes, member, object_name, whole

DOCUMENT = (
    b"""
name: a
count: 3
on: {yes: "1", no: null}
list: [x, y]
parts: [{a: 1}, {b: 2}]
flag: true
nothing: null
""".replace(b"on:", b"'on':")
    .replace(b"yes:", b"'yes':")
    .replace(b"no:", b"'no':")
)


def fields() -> Fields:
    (document,) = documents("a.yaml", DOCUMENT)
    return whole(document)


def test_members_are_read_by_kind() -> None:
    read = fields()
    assert read.names() == ("name", "count", "on", "list", "parts", "flag")
    assert (read.text("name"), read.text("none"), read.number("count"), read.number("none")) == ("a", "", 3, None)
    assert read.pairs("on") == {"yes": "1"}
    assert read.pairs("none") == {}
    assert (read.texts("list"), read.texts("none")) == (("x", "y"), ())
    assert [each.names() for each in read.parts("parts")] == [("a",), ("b",)]
    assert (read.flag("flag", default=False), read.flag("none", default=True)) == (True, True)
    assert (read.part("none"), read.take("nothing")) == (None, None)
    assert "name" in read
    assert "nothing" not in read
    read.done()


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda f: f.text("count"), "a.yaml:3: count: is a number, expected text"),
        (lambda f: f.number("name"), "a.yaml:2: name: is text, expected a whole number"),
        (lambda f: f.number("flag"), "flag: is true or false, expected a whole number"),
        (lambda f: f.flag("list", default=True), "list: is a list, expected true or false"),
        (lambda f: f.texts("parts"), "a.yaml:6: parts[0]: is a mapping, expected text"),
        (lambda f: f.elements("on"), "on: is a mapping, expected a list"),
        (lambda f: f.part("name"), "name: is text, expected a mapping"),
        (lambda f: f.parts("list"), "list[0]: is text, expected a mapping"),
        (lambda f: f.word("name", ("b", "c"), default="b"), "name: is 'a', expected one of: b, c"),
        (lambda f: f.forbid("name", "is not said here"), "name: is not said here"),
        (lambda f: f.ignore("name"), "count: is not understood here"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(read: object, said: str) -> None:
    with pytest.raises(BadConfiguration, match=re.escape(said)), fields() as each:
        read(each)  # type: ignore[operator]


def test_what_was_never_read_is_refused_even_where_it_is_null() -> None:
    read = fields()
    read.ignore("name", "count", "on", "list", "parts", "flag")
    with pytest.raises(BadConfiguration, match="nothing: is not understood here"):
        read.done()
    read.give_up()
    read.done()


def test_an_error_inside_is_not_covered_by_what_was_left() -> None:
    with pytest.raises(ZeroDivisionError), fields():
        raise ZeroDivisionError


def test_what_says_nothing_is_no_demand() -> None:
    read = whole(Document(name="a", value={"a": False, "b": [], "c": "", "d": 0}, lines={}))
    for name in ("a", "b", "c", "d", "e"):
        read.forbid(name, "no")
    read.done()


def test_json_is_read_strictly_and_lists_are_taken_apart() -> None:
    items = documents("a.json", b' {"kind": "List", "items": [{"a": 1}, {"b": 2}]}')
    assert [each.value for each in items] == [{"a": 1}, {"b": 2}]
    with pytest.raises(BadConfiguration, match=r"a\.json: not JSON"):
        documents("a.json", b'{"a": 1, "a": 2}')
    first, second = documents("a.yaml", b"kind: List\nitems:\n- a: 1\n- b:\n    c: 2\n---\n\n")
    assert (first.value, second.value) == ({"a": 1}, {"b": {"c": 2}})
    assert second.where(("b", "c")) == "a.yaml:5: b.c"


def test_kubernetes_objects_are_known_by_group_and_kind() -> None:
    (document,) = documents("a.yaml", b"apiVersion: g.example/v1\nkind: K\nmetadata: {name: x, labels: {a: b}}\n")
    assert kubernetes(document, ("g.example",), ("K",))
    assert not kubernetes(document, ("h.example",), ("K",))
    assert not kubernetes(document, ("g.example",), ("L",))
    assert not kubernetes(Document(name="a", value=[], lines={}), ("g.example",), ("K",))
    with whole(document) as read:
        assert object_name(read) == "x"
    with pytest.raises(BadConfiguration, match="metadata: has no name"):
        object_name(whole(Document(name="a", value={"metadata": {}}, lines={})))
    with pytest.raises(BadConfiguration, match="metadata: has no name"):
        object_name(whole(Document(name="a", value={}, lines={})))


def test_a_document_that_is_no_mapping_has_no_members() -> None:
    (document,) = documents("a.yaml", b"- 1\n")
    assert member(document, "kind") is None
    with pytest.raises(BadConfiguration, match=r"a\.yaml:1: is a list, expected a mapping"):
        whole(document)
    with pytest.raises(BadConfiguration, match="is nothing, expected a mapping"):
        whole(Document(name="a", value=None, lines={}))
