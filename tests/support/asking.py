"""Decides and answers as the daemon does, without one: policies and findings in, what a caller gets out."""

from collections.abc import Mapping
from datetime import timedelta

from preverify.model.contents import Content
from preverify.model.evidence import Gathered
from preverify.model.findings import Finding
from preverify.model.reference import Repository
from preverify.model.tags import Tags
from preverify.model.verdicts import Answer
from preverify.policy.answers import compose, policy_answer
from preverify.policy.decide import decide
from preverify.policy.policies import PolicySet
from support.policies import NOW, SUBJECT, gathered, new_id


def ask(
    policies: PolicySet,
    *findings: Finding,
    namespace: str | None = None,
    later_hours: float = 0,
    repository: str = "",
    seen: Gathered | None = None,
    contents: Mapping[str, Content] | None = None,
    tags: Tags | None = None,
) -> Answer:
    """Decide under every policy about the subject, then answer somebody who asks `later_hours` later."""
    parts = {
        policy.name: policy_answer(
            policies,
            decide(
                policy,
                seen or gathered(),
                findings,
                now=NOW,
                trust_epoch="keys-only",
                new_id=new_id,
                contents=contents or {},
                tags=tags,
            ),
        )
        for policy in policies.matching(SUBJECT.repository)
    }
    return compose(
        policies,
        Repository("registry.example", repository) if repository else SUBJECT.repository,
        SUBJECT.digest,
        parts,
        image="",
        generation=1,
        namespaces=namespace,
        now=NOW + timedelta(hours=later_hours),
    )
