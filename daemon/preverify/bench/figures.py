"""One figure of a benchmark, as it is printed."""

import statistics
from collections.abc import Sequence


def figure(
    bench: str,
    case: str,
    value: float,
    unit: str,
    *,
    reference: str | None = None,
    reference_value: float | None = None,
    peer_value: float | None = None,
    budget: float | None = None,
    at_most: bool = False,
    of_ratio: bool = False,
) -> dict[str, object]:
    """Return one result object.

    Args:
        bench: Name of the benchmark.
        case: What was measured.
        value: The figure, median of its rounds.
        unit: Its unit.
        reference: What `reference_value` is, measured in the same run.
        reference_value: The reference's figure, in the same unit.
        peer_value: A constant: what a peer was measured at elsewhere.
        budget: The bound to hold; on the value, or with `of_ratio` on value / reference.
        at_most: The budget is an upper bound.
        of_ratio: The budget bounds the ratio.
    """
    ratio = value / reference_value if reference_value else None
    bounded = ratio if of_ratio else value
    holds = None
    if budget is not None and bounded is not None:
        holds = bounded <= budget if at_most else bounded >= budget
    return {
        "bench": bench,
        "case": case,
        "value": round(value, 3),
        "unit": unit,
        "reference": reference,
        "reference_value": None if reference_value is None else round(reference_value, 3),
        "ratio": None if ratio is None else round(ratio, 3),
        "peer_value": peer_value,
        "budget": budget,
        "holds": holds,
    }


def quantile(values: Sequence[float], q: float) -> float:
    """Return the nearest-rank quantile `q` of `values`."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(q * (len(ordered) - 1))))]


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)
