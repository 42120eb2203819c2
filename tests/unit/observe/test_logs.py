import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from preverify import observe
from preverify.observe import logs


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raising, known = root.handlers[:], root.level, logging.raiseExceptions, set(logs._KNOWN)
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)
    logs._KNOWN.clear()
    logs._KNOWN.update(known)
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _one(**fields: object) -> dict[str, object]:
    stream = io.StringIO()
    observe.setup_logging(stream=stream)
    observe.Observing(observe.Metrics()).event("verdict.recorded", **fields)
    (line,) = _lines(stream)
    return line


def test_off_a_terminal_a_line_is_one_json_object_with_one_event_name() -> None:
    line = _one(outcome="passed", seconds=0.25, reasons=["ok"])
    assert line["event"] == "verdict.recorded"
    assert (line["outcome"], line["seconds"], line["reasons"]) == ("passed", 0.25, ["ok"])
    assert (line["level"], line["logger"]) == ("info", "preverify")
    assert str(line["time"]).endswith("Z")


def test_on_a_terminal_lines_are_for_people() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    observe.setup_logging(stream=stream)
    observe.Observing(observe.Metrics()).event("verdict.recorded", detail="\x1b[2Jgone")
    assert "verdict.recorded" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    assert "\x1b" not in stream.getvalue(), "an image's author must not move the cursor of who reads the log"


@pytest.mark.parametrize(
    "hostile", ["a\nb", "\x1b[31mred", "\u202egnp.exe", "\u2028next", "\x00", "\x85", "\ud800", "\ufeffx", "\r\n{}"]
)
def test_untrusted_text_stays_on_its_line_and_in_its_direction(hostile: str) -> None:
    text = str(_one(detail=hostile)["detail"])
    assert text.isprintable()
    assert not set(text) & logs._BIDI


def test_a_field_is_cut_at_its_limit() -> None:
    line = _one(detail="é" * 5000, **{f"f{i}": "x" for i in range(200)})
    assert len(str(line["detail"]).encode()) <= logs.MAX_FIELD_BYTES + 10
    assert str(line["detail"]).endswith("…(cut)")
    assert len(line) <= logs.MAX_ITEMS


def test_nested_values_are_bounded_and_cleaned_too() -> None:
    deep: dict[str, object] = {"x": "end"}
    for _ in range(10):
        deep = {"x": deep}
    line = _one(deep=deep, many=list(range(1000)), inner={"password": "plain", "note": "a\nb"}, pair=("a\n", None))
    assert len(line["many"]) == logs.MAX_ITEMS
    assert line["inner"] == {"password": logs.HIDDEN, "note": "a\\nb"}
    assert line["pair"] == ["a\\n", None]
    assert len(json.dumps(line["deep"])) < logs.MAX_FIELD_BYTES * 2


def test_lines_of_libraries_go_through_the_same_chain() -> None:
    stream = io.StringIO()
    observe.setup_logging(stream=stream)
    logging.getLogger("uvicorn.error").warning("odd request from %s\n", "Bearer abcdefghij")
    logging.getLogger("uvicorn.access").info("not wanted")
    (line,) = _lines(stream)
    assert line["event"] == "library.logged"
    assert line["logger"] == "uvicorn.error"
    assert line["message"] == f"odd request from Bearer {logs.HIDDEN}\\n"


def test_an_exception_keeps_its_traceback_and_loses_its_secrets() -> None:
    stream = io.StringIO()
    observe.setup_logging(stream=stream)
    observe.hide("correct-horse-battery")
    try:
        {}["login with correct-horse-battery failed"]
    except KeyError:
        structlog.stdlib.get_logger("preverify").exception("job.failed")
    (line,) = _lines(stream)
    assert "KeyError" in str(line["exception"])
    assert "test_logs.py" in str(line["exception"])
    assert "correct-horse" not in stream.getvalue()


def test_the_level_is_respected() -> None:
    stream = io.StringIO()
    observe.setup_logging(stream=stream, level="warning", json=True)
    observing = observe.Observing(observe.Metrics())
    observing.event("quiet")
    observing.event("loud", level="error")
    assert [line["event"] for line in _lines(stream)] == ["loud"]


def test_short_texts_are_not_taken_for_secrets() -> None:
    """Hiding an empty or tiny password would blank out every line."""
    observe.hide("")
    observe.hide(" ab ")
    assert _one(detail="about abbeys")["detail"] == "about abbeys"
