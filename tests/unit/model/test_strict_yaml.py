"""Strict YAML: one meaning or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model import strict_yaml
from preverify.model.errors import BadConfiguration


def read(text: str | bytes) -> list[object]:
    data = text if isinstance(text, bytes) else text.encode()
    return [document.value for document in strict_yaml.read(data, name="f.yaml")]


def refusal(text: str | bytes) -> str:
    with pytest.raises(BadConfiguration) as caught:
        read(text)
    return str(caught.value)


def test_plain_documents() -> None:
    text = "a: 1\nb: [x, 'y', 2.5, true, false, null, ~, ]\nc: {d: -3, e: 1.5e+3}\nf: 2026-01-02\ng:\n---\n- 'yes'\n"
    assert read(text) == [
        {
            "a": 1,
            "b": ["x", "y", 2.5, True, False, None, None],
            "c": {"d": -3, "e": 1500.0},
            "f": "2026-01-02",
            "g": None,
        },
        ["yes"],
    ]


@pytest.mark.parametrize("text", ["", "---\n", "# only a comment\n", "---\n---\n"])
def test_empty_documents_are_left_out(text: str) -> None:
    assert read(text) == []


def test_every_value_knows_its_line() -> None:
    (document,) = strict_yaml.read(b"a:\n  b:\n    - x\n    - {c: 1}\n", name="f.yaml")
    assert document.where(("a", "b", 1, "c")) == "f.yaml:4: a.b[1].c"
    assert document.where(("a", "b", 7, "gone")) == "f.yaml:2: a.b[7].gone"
    assert document.where(()) == "f.yaml:1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: this key stands twice in one mapping"),
        ("{a: {b: 1, 'b': 2}}", "f.yaml:1: a.b: this key stands twice"),
        ("1: a", "holds a key that is not text"),
        ("yes: a", "holds a key that is not text"),
        ("[a]: b", "holds a key that is not text"),
        ("<<: {a: 1}", "holds a key that is not text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3: c: holds a key that is not text"),
        ("a: !!python/object/apply:os.system [x]", "f.yaml:1: a: has the tag !!python/object/apply:os.system"),
        ("a: !!python/name:os.system x", "has the tag !!python/name:os.system"),
        ("a: !custom x", "f.yaml:1: a: has the tag '!custom', expected a plain value"),
        ("a: !!binary aGk=", "has the tag !!binary"),
        ("a: !!set {b}", "has the tag !!set"),
        ("a: !!omap [b: 1]", "has the tag !!omap"),
        ("a: !!null [x]", "has the tag !!null"),
        ("a: !!map [x]", "has the tag !!map"),
        ("a: yes", "a: 'yes' has several readings in YAML"),
        ("a: on", "'on' has several readings"),
        ("a: True", "'True' has several readings"),
        ("a: NULL", "'NULL' has several readings"),
        ("a: 010", "'010' has several readings"),
        ("a: 0x1f", "'0x1f' has several readings"),
        ("a: 1_000", "'1_000' has several readings"),
        ("a: 22:30", "'22:30' has several readings"),
        ("a: 9007199254740993", "'9007199254740993' has several readings"),
        ("a: 99999999999999999999", "has several readings"),
        ("a: .nan", "'.nan' has several readings"),
        ("a: .inf", "'.inf' has several readings"),
        ("a: 1.", "'1.' has several readings"),
        ("a: 1." + "0" * 40, "has several readings"),
        ("a: 1\n b: 2", "f.yaml:2: not YAML: "),
        ("a: [1", "f.yaml:1: not YAML: "),
        ("a: *gone", "f.yaml:1: not YAML: found undefined alias"),
        ("a: \x07", "f.yaml: not YAML: unacceptable character"),
        ("%YAML 3.0\n---\na: 1", "f.yaml:1: not YAML: "),
        (b"\xff\xfea\x00", "f.yaml: not UTF-8 text"),
        (b"x" * (strict_yaml.MAX_BYTES + 1), "f.yaml: file of 1048577 bytes, at most 1048576 are read"),
        ("[" * 1000, "f.yaml:1: nested deeper than 64 levels"),
        ("\n".join(" " * n + "a:" for n in range(100)), "f.yaml:64: nested deeper than 64 levels"),
    ],
)
def test_everything_unclear_is_refused_with_its_place(text: str | bytes, sentence: str) -> None:
    assert sentence in refusal(text)


def test_aliases_may_be_used_within_reason() -> None:
    assert read("a: &x [1]\nb: *x\nc: *x\n") == [{"a": [1], "b": [1], "c": [1]}]
    assert "more than 100 aliases" in refusal("a: &x 1\nb: [" + "*x, " * 101 + "]")


def test_an_alias_bomb_is_refused_before_it_goes_off() -> None:
    levels = ["a0: &a0 [" + "x0, " * 10 + "]"]
    levels += [f"a{n}: &a{n} [" + f"*a{n - 1}, " * 9 + "]" for n in range(1, 10)]
    assert "more than 100000 values, aliases followed" in refusal("\n".join(levels))


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    assert "nested deeper than 64 levels, aliases followed" in refusal("a: &x {b: *x}")


def test_a_single_value_of_the_environment() -> None:
    assert strict_yaml.scalar("[a, 1]") == ["a", 1]
    assert strict_yaml.scalar("") is None
    with pytest.raises(BadConfiguration, match="several YAML documents"):
        strict_yaml.scalar("a\n---\nb")
    with pytest.raises(BadConfiguration, match="not UTF-8"):
        strict_yaml.scalar("\udcff")


def only_refuses_with_a_place(data: bytes) -> None:
    try:
        strict_yaml.read(data, name="f.yaml")
    except BadConfiguration as error:
        place = error.where
    else:
        place = "f.yaml"
    assert place.startswith("f.yaml")


@given(st.binary(max_size=200))
def test_no_bytes_make_anything_but_values_or_a_refusal(data: bytes) -> None:
    only_refuses_with_a_place(data)


@given(st.text(alphabet="ab:{}[],&*!|>-'\"#?%@ \n01~<", max_size=60))
def test_no_text_makes_anything_but_values_or_a_refusal(text: str) -> None:
    only_refuses_with_a_place(text.encode())
