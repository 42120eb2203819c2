"""Policies: documents, matching, rules, decisions, answers, simulation. Findings in, verdicts out. Pure."""

from preverify.policy.decide import undecided

__all__ = ["undecided"]
