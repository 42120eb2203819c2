"""Benchmarks: `preverify bench NAME`. Every figure stands beside a reference measured in the same run."""

from collections.abc import Callable, Iterator, Mapping

Figure = dict[str, object]


def _admission(*, quick: bool) -> Iterator[Figure]:
    from preverify.bench.admission import run

    return run(quick)


def _pipeline(*, quick: bool) -> Iterator[Figure]:
    from preverify.bench.pipeline import run

    return run(quick)


def _policy(*, quick: bool) -> Iterator[Figure]:
    from preverify.bench.policy import run

    return run(quick)


def _scan(*, quick: bool) -> Iterator[Figure]:
    from preverify.bench.scan import run

    return run(quick)


def _verify(*, quick: bool) -> Iterator[Figure]:
    from preverify.bench.verify import run

    return run(quick)


BENCHES: Mapping[str, Callable[..., Iterator[Figure]]] = {
    "admission": _admission,
    "pipeline": _pipeline,
    "policy": _policy,
    "scan": _scan,
    "verify": _verify,
}
