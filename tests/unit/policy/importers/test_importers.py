"""The table of dialects: each document goes to the one that it says it is."""

from collections.abc import Callable

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.importers import DIALECTS, Imported, translate
from support.foreign_policies import key, policy


def test_names_are_those_of_the_modules() -> None:
    assert all(name == module.NAME for name, module in DIALECTS.items())


def test_a_document_of_no_dialect_is_refused(imported: Callable[..., Imported]) -> None:
    with pytest.raises(BadConfiguration, match=r"policy.yaml:1: apiVersion 'v1', kind 'Pod': is of no dialect"):
        imported("apiVersion: v1\nkind: Pod\n")


def test_a_dialect_may_be_named(imported: Callable[..., Imported]) -> None:
    assert imported(policy(key()), dialect="cluster-image-policy").documents
    with pytest.raises(BadConfiguration, match="'cluster-image-policies' is no dialect, did you mean"):
        imported(policy(key()), dialect="cluster-image-policies")
    with pytest.raises(BadConfiguration, match="'x' is no dialect, expected one of: cluster-image-policy"):
        imported(policy(key()), dialect="x")


def test_without_files_there_is_no_policy() -> None:
    with pytest.raises(BadConfiguration, match="holds no policy"):
        translate([], {}.__getitem__)


def test_what_would_not_load_is_refused(imported: Callable[..., Imported]) -> None:
    long = {"name": "a", "keyless": {"identities": [{"issuer": "x" * 2000, "subject": "y"}]}}
    with pytest.raises(BadConfiguration, match=r"policy.yaml: what it would become cannot be used: .*issuer"):
        imported(policy(long))
