"""How two globs stand to one another: whether some name matches both, whether one matches all that the other does."""

from preverify.model import globs

_ANY = "\0"  # `**`


def meet(one: str, other: str) -> bool:
    """Say whether some text matches both globs. Takes at most len(one) * len(other) steps.

    >>> meet("a.test/shop/*", "a.test/**/api")
    True
    >>> meet("a.test/shop/*", "a.test/shop/team/*")
    False
    """
    left, right = one.replace("**", _ANY), other.replace("**", _ANY)
    # reachable[i][j]: some text leads to the first i tokens of the one and the first j of the other.
    seen = {(0, 0)}
    todo = [(0, 0)]
    while todo:
        i, j = todo.pop()
        if (i, j) == (len(left), len(right)):
            return True
        for step in _steps(left[i : i + 1], right[j : j + 1]):
            after = (i + step[0], j + step[1])
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return False


def covers(wide: str, narrow: str) -> bool:
    """Say whether `wide` certainly matches all that `narrow` does. Where that takes thought, the answer is no.

    >>> covers("a.test/**", "a.test/shop/*")
    True
    """
    if wide == narrow:
        return True
    if "*" not in narrow:
        return globs.matches(wide, narrow)
    head = wide.removesuffix("**")
    return head != wide and "*" not in head and narrow.startswith(head)


def _steps(left: str, right: str) -> list[tuple[int, int]]:
    """Return how far both can go on: a star may end, or take what the other one takes."""
    steps = []
    if left in ("*", _ANY):
        steps.append((1, 0))
    if right in ("*", _ANY):
        steps.append((0, 1))
    if not left or not right:
        return steps
    if left in ("*", _ANY) and right not in ("*", _ANY):
        steps += [(0, 1)] if left == _ANY or right != "/" else []
    elif right in ("*", _ANY) and left not in ("*", _ANY):
        steps += [(1, 0)] if right == _ANY or left != "/" else []
    elif left == right:
        steps.append((1, 1))
    return steps
