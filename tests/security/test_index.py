"""Which known flaw of this field has its regression test where: none may go missing.

Regressions come back when somebody tidies up: the same bug of one verifier was fixed four times in four years. So files
here are never deleted unnoticed, and none loses tests unnoticed. Whoever adds a file or tests raises the numbers.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import preverify

HERE = Path(__file__).resolve().parent
PACKAGE = Path(preverify.__file__).resolve().parent

FILES: dict[str, int] = {
    "01_a_tag_is_never_a_key": 2,
    "02_a_warm_table_never_outlives_its_inputs": 5,
    "03_stored_bytes_are_rehashed": 3,
    "04_cold_answer_is_warm_answer": 1,
    "05_an_entry_vouches_for_one_signature": 4,
    "06_invalid_is_never_better_than_absent": 14,
    "07_a_claimed_entry_is_no_entry": 4,
    "08_a_self_made_tree_proves_nothing": 6,
    "09_no_time_without_a_witness": 10,
    "10_an_expired_authority_is_refused": 3,
    "11_malformed_predicates_are_denied": 4,
    "11_signed_garbage_is_denied": 4,
    "12_a_foreign_bill_of_materials_never_counts": 6,
    "12_any_attestation_is_not_the_demanded_one": 3,
    "12_our_own_statements_are_never_evidence": 1,
    "12_vex_silences_only_what_it_may": 10,
    "12_what_a_predicate_says_is_demanded": 7,
    "13_one_authority_counts_once": 7,
    "13_one_person_counts_once": 12,
    "14_impossible_thresholds_do_not_load": 5,
    "15_keys_have_their_time": 9,
    "16_an_appended_certificate_is_nobody": 3,
    "17_a_bent_time_is_refused": 2,
    "18_every_field_of_a_policy_denies": 10,
    "18_every_field_of_trust_denies": 7,
    "19_no_policy_trusts_everybody": 8,
    "20_a_hostile_registry_makes_nothing_pass": 8,
    "20_indexes_deep_and_in_circles": 8,
    "21_only_the_computed_hash_counts": 4,
    "22_a_notation_signature_of_another_image_is_ignored": 2,
    "22_subject_of_a_referrer_is_rechecked": 2,
    "23_one_digest_one_reading": 4,
    "24_outdated_signatures_pass_nowhere_unsaid": 2,
    "25_revoked_certificates_are_noticed": 8,
    "26_builders_are_bound_to_signers": 10,
    "27_one_grammar_of_globs": 3,
    "28_identities_without_a_chain_are_absent": 3,
    "29_a_failing_verifier_denies": 6,
    "30_a_log_does_not_vouch_for_itself": 5,
    "30_trust_never_comes_from_what_it_judges": 3,
    "31_a_tuf_repository_has_to_prove_everything": 9,
    "32_nothing_unverified_is_read_as_verified": 3,
    "33_an_old_passed_statement_is_replayed": 1,
    "33_an_older_generation_is_refused": 4,
    "34_statements_are_never_written_anew": 1,
    "34_the_exact_bytes_are_verified": 7,
    "40_every_image_of_every_kind_is_checked": 1,
    "41_updates_are_judged_by_the_new_object": 2,
    "44_no_field_of_a_caller_admits_early": 2,
    "45_broken_bodies_never_admit": 8,
    "46_paths_are_canonical_or_refused": 10,
    "47_expressions_reach_nothing_but_facts": 4,
    "48_an_answer_is_of_one_generation": 2,
    "49_fallback_tag_is_always_read": 2,
    "58_hostile_push_events_change_nothing": 4,
    "60_floods_end_at_a_cap": 6,
    "61_declared_sizes_cost_nothing": 5,
    "62_many_notation_signatures_end_at_a_cap": 3,
    "63_crafted_names_cost_little": 4,
    "63_pathological_certificates_are_bounded": 4,
    "64_a_full_disk_costs_no_correctness": 3,
    "64_a_full_disk_denies_no_signature": 2,
    "65_lists_in_bundles_are_bounded": 8,
    "66_packed_data_ends_at_a_cap": 8,
    "67_separators_are_never_counted": 15,
    "68_callers_cannot_grow_series": 1,
    "68_series_are_bounded": 2,
    "69_lists_are_clamped": 5,
    "70_expressions_have_a_budget": 2,
    "80_realm_must_be_ours": 7,
    "81_credentials_stay_where_they_belong": 9,
    "82_look_alike_hosts_get_nothing": 7,
    "83_addresses_are_judged_when_connecting": 9,
    "84_tls_and_digest_grammar_on_every_hop": 6,
    "85_content_is_scoped_to_its_repository": 4,
    "85_lookups_are_scoped": 3,
    "86_who_may_use_which_route": 2,
    "87_scanners_are_shut_in": 21,
    "88_no_secret_in_a_log_line": 4,
    "88_requests_do_not_put_secrets_into_logs": 1,
    "89_secrets_are_compared_in_constant_time": 3,
    "90_names_of_roots_are_no_paths": 1,
    "91_log_lines_cannot_be_forged": 2,
    "91_requests_cannot_forge_log_lines": 1,
}
"""File, without `test_rt_`, and how many test functions it has at least."""

NUMBERS = frozenset({*range(1, 35), *range(40, 50), 58, *range(60, 71), *range(80, 94)})

WITHOUT: dict[int, str] = {
    42: "no policy selects by labels of namespaces: namespaces are compared by name, which every question states",
    43: "there are no exceptions to policies in this version: a policy that writes one does not load (RT-18)",
    92: "nothing is looked for in the working directory: the settings name every file, or lie in /etc/preverify",
    93: "there are no users and no default password: only tokens that the operator wrote into a file open anything",
}
"""Numbers that have no subject yet, with the reason: what adds a subject adds the test."""


def found() -> Iterator[tuple[str, int]]:
    """Yield each regression file with the number of its test functions."""
    for path in sorted(HERE.glob("test_rt_*.py")):
        tree = ast.parse(path.read_bytes())
        tests = [
            each
            for each in tree.body
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
        ]
        yield path.stem.removeprefix("test_rt_"), len(tests)


def number(name: str) -> int:
    match = re.match(r"\d\d", name)
    assert match is not None, name
    return int(match[0])


def test_every_file_is_recorded_and_every_recorded_file_is_there() -> None:
    names = {name for name, _ in found()}
    assert FILES.keys() - names == set(), "regression tests were deleted"
    assert names - FILES.keys() == set(), "record the new file in FILES, so that it cannot be deleted unnoticed"


def test_no_file_loses_tests() -> None:
    assert {name: count for name, count in found() if count < FILES.get(name, 0)} == {}


def test_every_number_has_its_file_or_its_reason() -> None:
    tested = {number(name) for name, _ in found()}
    assert tested & WITHOUT.keys() == set()
    assert tested | WITHOUT.keys() == NUMBERS


def test_each_file_names_its_number() -> None:
    """Who searches for RT-9 finds it."""
    for path in sorted(HERE.glob("test_rt_*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_bytes())) or ""
        wanted = number(path.stem.removeprefix("test_rt_"))
        assert re.search(rf"\bRT-0?{wanted}\b", docstring), path.name


def test_no_file_switches_itself_off() -> None:
    """A regression test that is skipped is deleted."""
    for path in sorted(HERE.glob("test_rt_*.py")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pytest\.mark\.(xfail|skip)\b|importorskip|pytestmark", text), path.name


DECOMPRESSORS = frozenset({"gzip", "zlib", "bz2", "lzma", "zstandard", "brotli", "tarfile", "zipfile"})


UNPACKING = frozenset(
    {"scanners/database/artifact.py", "scanners/database/building.py", "store/contents.py", "bench/scan.py"}
)
"""The modules that unpack something: RT-66 has tests of each; the last one only packs."""


def test_nothing_else_decompresses() -> None:
    """RT-66 gets another subject with the import of one of these elsewhere, or with the first compressed answer."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for each in ast.walk(ast.parse(text)):
            names = [alias.name for alias in each.names] if isinstance(each, ast.Import) else []
            names += [each.module or ""] if isinstance(each, ast.ImportFrom) else []
            packed = DECOMPRESSORS & {name.partition(".")[0] for name in names}
            assert not packed or path.relative_to(PACKAGE).as_posix() in UNPACKING, path
        assert "ACCEPT_ENCODING" not in text, path
        assert not re.search(r"accept-encoding", text, re.IGNORECASE), path
