"""For each field of each rule: an answer that admits, and the same with only that field violated. One module a rule.

Every module has `ROWS`: `<class of the written form>.<field>` -> (admits, does not). RT-18 compares them with the code.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from preverify.model.verdicts import Answer

Rows = Mapping[str, tuple[Answer, Answer]]


def all_rows() -> dict[str, tuple[Answer, Answer]]:
    """Return the rows of every module here."""
    rows: dict[str, tuple[Answer, Answer]] = {}
    for module in iter_modules(__path__):
        found: Rows = import_module(f"{__name__}.{module.name}").ROWS
        assert not rows.keys() & found.keys(), f"{module.name} repeats {rows.keys() & found.keys()}"
        rows |= found
    return rows
