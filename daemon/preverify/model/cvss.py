"""CVSS base scores, computed from vectors. What others write beside a vector is never believed."""

import re
from collections.abc import Mapping

from preverify.model.contents import Severity

_V3 = re.compile(r"CVSS:3\.[01]/(.+)", re.DOTALL)
_MAX_LENGTH = 512

_V3_METRICS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 0.0, "C": 1.0},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_V3_PRIVILEGES_ELSEWHERE = {"N": 0.85, "L": 0.68, "H": 0.5}
_V3_OTHER: Mapping[str, tuple[str, ...]] = {
    name: tuple(values)
    for name, values in {
        "E": "XUPFH", "RL": "XOTWU", "RC": "XURC", "CR": "XLMH", "IR": "XLMH", "AR": "XLMH",
        "MAV": "XNALP", "MAC": "XLH", "MPR": "XNLH", "MUI": "XNR", "MS": "XUC", "MC": "XNLH", "MI": "XNLH",
        "MA": "XNLH",
    }.items()
}  # fmt: skip
"""Temporal and environmental metrics: they may stand in a vector and have no part in its base score."""

_V2_METRICS: Mapping[str, Mapping[str, float]] = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.66},
    "I": {"N": 0.0, "P": 0.275, "C": 0.66},
    "A": {"N": 0.0, "P": 0.275, "C": 0.66},
}
_V2_OTHER: Mapping[str, tuple[str, ...]] = {
    "E": ("U", "POC", "F", "H", "ND"),
    "RL": ("OF", "TF", "W", "U", "ND"),
    "RC": ("UC", "UR", "C", "ND"),
    "CDP": ("N", "L", "LM", "MH", "H", "ND"),
    "TD": ("N", "L", "M", "H", "ND"),
    "CR": ("L", "M", "H", "ND"),
    "IR": ("L", "M", "H", "ND"),
    "AR": ("L", "M", "H", "ND"),
}


def base_score(vector: str) -> float | None:
    """Return the base score that a vector of CVSS 2.0, 3.0 or 3.1 stands for; None for anything else.

    CVSS 4.0 has a prefix of its own and is not computed here: its score is looked up in a table of several hundred
    rows, and a score that may be wrong is worse than none.

    Spec:
        CVSS v3.1 specification, section 7.1 and appendix A ("Roundup"); CVSS v2.0 guide, section 3.2.1.

    >>> base_score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
    9.8
    """
    if len(vector) > _MAX_LENGTH:
        return None
    third = _V3.fullmatch(vector)
    if third is not None:
        metrics = _metrics(third[1], _V3_METRICS, _V3_OTHER)
        return None if metrics is None else _third(metrics)
    metrics = _metrics(vector.removeprefix("(").removesuffix(")"), _V2_METRICS, _V2_OTHER)
    return None if metrics is None else _second(metrics)


def severity_of(score: float, *, version_2: bool = False) -> Severity:
    """Return the word of the qualitative scale for a base score; that of version 2 knows neither none nor critical.

    Spec:
        CVSS v3.1 specification, section 5. For version 2, the scale that NVD used with it.
    """
    if score >= 9.0 and not version_2:
        return Severity.CRITICAL
    if score >= 7.0:
        return Severity.HIGH
    if score >= 4.0:
        return Severity.MEDIUM
    return Severity.LOW if score > 0.0 else Severity.NONE


def _metrics(
    text: str, base: Mapping[str, Mapping[str, float]], other: Mapping[str, tuple[str, ...]]
) -> dict[str, str] | None:
    """Read `name:value/…`: every base metric once, others at most once, nothing unknown."""
    found: dict[str, str] = {}
    for part in text.split("/"):
        name, _, value = part.partition(":")
        if name in found or not value or value not in base.get(name, other.get(name, ())):
            return None
        found[name] = value
    return found if all(name in found for name in base) else None


def _third(metrics: Mapping[str, str]) -> float:
    weight = {name: _V3_METRICS[name][metrics[name]] for name in _V3_METRICS}
    changed = metrics["S"] == "C"
    privileges = _V3_PRIVILEGES_ELSEWHERE[metrics["PR"]] if changed else weight["PR"]
    base = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if changed else 6.42 * base
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    return _rounded_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10.0))


def _rounded_up(value: float) -> float:
    """Return the smallest tenth that is not below `value`, free of the errors of floating point."""
    scaled = round(value * 100_000)
    return scaled / 100_000 if scaled % 10_000 == 0 else (scaled // 10_000 + 1) / 10


def _second(metrics: Mapping[str, str]) -> float:
    weight = {name: _V2_METRICS[name][metrics[name]] for name in _V2_METRICS}
    impact = 10.41 * (1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"]))
    exploitability = 20 * weight["AC"] * weight["Au"] * weight["AV"]
    factor = 1.176 if impact else 0.0
    return round((0.6 * impact + 0.4 * exploitability - 1.5) * factor, 1)
