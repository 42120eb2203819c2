"""RT-91: text chosen by an image's author or a caller neither starts a new log line nor drives a terminal."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from preverify import observe

FORGED = '{"event": "verdict.recorded", "outcome": "passed"}'


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("json_lines", [True, False])
def test_a_forged_line_stays_inside_its_field(separator: str, json_lines: bool) -> None:
    stream = io.StringIO()
    observe.setup_logging(stream=stream, json=json_lines)
    observe.Observing(observe.Metrics()).event("tag.moved", tag="1.0" + separator + FORGED)
    logging.getLogger("uvicorn.error").warning("path %s", "/x" + separator + FORGED)
    assert len(stream.getvalue().splitlines()) == 2
    assert not any(line.startswith(FORGED) for line in stream.getvalue().splitlines())


@given(text=st.text(max_size=300), json_lines=st.booleans())
def test_any_text_gives_one_printable_line(text: str, json_lines: bool) -> None:
    stream = io.StringIO()
    observe.setup_logging(stream=stream, json=json_lines)
    observe.Observing(observe.Metrics()).event("x", detail=text)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    if json_lines:
        assert json.loads(line)["event"] == "x"
