from preverify.model.recent import Recent


def test_what_was_used_last_is_remembered_and_no_more_than_twice_the_size() -> None:
    memory: Recent[int, str] = Recent(10)
    for number in range(1_000):
        memory.put(number, str(number))
        assert memory.get(0) == "0", "used all the time"
        assert len(memory) <= 20
    assert [memory.get(number) for number in range(991, 1_000)] == [str(number) for number in range(991, 1_000)]
    assert memory.get(500) is None
    assert memory.get(-1) is None


def test_the_newest_value_counts() -> None:
    memory: Recent[str, int] = Recent(1)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("a", 3)
    assert memory.get("a") == 3
