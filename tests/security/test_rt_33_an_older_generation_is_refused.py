"""RT-33: generations are monotonic; an older set of policies cannot be put back by its number (CVE-2026-44544)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from preverify.model.errors import BadConfiguration, BadInput
from preverify.policy.policies import PolicySet
from preverify.store import Store, open_store, upgrade
from support.clock import Stopped
from support.policies import ATTESTED, NOW, SIGNED, policy_set, policy_text

LAX, STRICT = policy_set(policy_text(SIGNED)), policy_set(policy_text(SIGNED), policy_text(ATTESTED, name="built"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'preverify.db'}"
    upgrade.upgrade(url)
    opened = open_store(url, tmp_path, Stopped())
    yield opened
    opened.close()


def activate(store: Store, policies: PolicySet) -> int:
    row = store.generations.stage(policies.document, policies.digest, now=NOW)
    store.generations.activate(row.number, now=NOW)
    return row.number


def test_the_number_of_an_older_generation_is_refused(store: Store) -> None:
    lax = activate(store, LAX)
    strict = activate(store, STRICT)
    assert lax < strict
    for number in (lax, strict, strict + 1, 0, -1):
        with pytest.raises(BadInput, match="only the staged generation can be activated"):
            store.generations.activate(number, now=NOW)
    active = store.generations.active()
    assert active is not None
    assert (active.number, active.digest) == (strict, STRICT.digest)


def test_going_back_to_an_older_text_is_a_new_generation(store: Store) -> None:
    numbers = [activate(store, LAX), activate(store, STRICT), activate(store, LAX)]
    assert numbers == sorted(set(numbers))


def test_a_staged_set_that_was_overtaken_is_refused(store: Store) -> None:
    activate(store, STRICT)
    overtaken = store.generations.stage(LAX.document, LAX.digest, now=NOW).number
    other = policy_set(policy_text(ATTESTED))
    newer = store.generations.stage(other.document, other.digest, now=NOW).number
    assert overtaken < newer
    with pytest.raises(BadInput):
        store.generations.activate(overtaken, now=NOW)


@pytest.mark.parametrize("version", [b"preverify/v0", b"preverify/v2"])
def test_a_stored_set_of_another_language_version_is_refused(version: bytes) -> None:
    with pytest.raises(BadConfiguration):
        PolicySet.from_document(LAX.document.replace(b"preverify/v1", version))
