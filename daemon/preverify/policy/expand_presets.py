"""Writes presets out: documents that name some become documents that say what they stand for."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import rfc8785

from preverify.model.strict_yaml import Document
from preverify.policy.policies import API_VERSION
from preverify.policy.presets import PresetBase
from preverify.policy.schema import PolicyDocument, RuleSpec, SignersDocument, SignerSpec

_Signers = Sequence[tuple[Document, SignersDocument]]
_Policies = Sequence[tuple[Document, PolicyDocument]]


def written_out(
    policies: _Policies, signers: _Signers
) -> tuple[list[tuple[Document, PolicyDocument]], list[tuple[Document, SignersDocument]]]:
    """Return the documents without presets. Rules by preset come with signers, one for all rules that say the same."""
    found: dict[str, tuple[Document, SignersDocument]] = {}
    plain = [(document, _policy(document, written, found)) for document, written in policies]
    return plain, [*((document, _signers(written)) for document, written in signers), *found.values()]


def _signers(written: SignersDocument) -> SignersDocument:
    if all(spec.preset is None for spec in written.spec.values()):
        return written
    return written.model_copy(
        update={
            "spec": {
                name: spec if spec.preset is None else _spec(spec.preset.chosen.signer())
                for name, spec in written.spec.items()
            }
        }
    )


def _policy(
    document: Document, written: PolicyDocument, found: dict[str, tuple[Document, SignersDocument]]
) -> PolicyDocument:
    if all("preset" not in rule.demands for rule in written.spec.require):
        return written
    rules = []
    for i, rule in enumerate(written.spec.require):
        preset: PresetBase | None = rule.demands.get("preset")
        if preset is None:
            rules.append(rule)
            continue
        name = _name(preset)
        found.setdefault(name, (_at(document, i), _declaring(name, preset)))
        frame = {"name": rule.name, "mode": rule.mode}
        plain = RuleSpec.model_validate({**frame, **preset.chosen.demand(name)}, by_alias=True, by_name=False)
        rules.append(plain.model_copy(update={"platforms": rule.platforms}))
    return written.model_copy(update={"spec": written.spec.model_copy(update={"require": tuple(rules)})})


def _name(preset: PresetBase) -> str:
    """Name the signer of a rule's preset: after the preset, and what it stands for where that has parameters."""
    chosen = preset.chosen
    if not type(chosen).model_fields:
        return str(chosen.NAME)
    return f"{chosen.NAME}.{sha256(rfc8785.dumps(chosen.signer())).hexdigest()[:8]}"


def _declaring(name: str, preset: PresetBase) -> SignersDocument:
    return SignersDocument.model_validate(
        {
            "apiVersion": API_VERSION,
            "kind": "Signers",
            "metadata": {"name": name},
            "spec": {name: preset.chosen.signer()},
        },
        by_alias=True,
        by_name=False,
    )


def _spec(form: Mapping[str, object]) -> SignerSpec:
    return SignerSpec.model_validate(form, by_alias=True, by_name=False)


def _at(document: Document, rule: int) -> Document:
    """Return a document whose every place is that of the rule's preset."""
    line = document.lines.get(("spec", "require", rule, "preset"), 1)
    return Document(name=document.name, value=None, lines={(): line})
