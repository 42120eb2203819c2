"""CycloneDX bills of materials in JSON."""

from collections.abc import Mapping

from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed
from preverify.verify.predicates.outline import MAX_KEYS
from preverify.verify.predicates.spdx import unwrapped

NAME = "cyclonedx"
TYPES: tuple[str, ...] = ("https://cyclonedx.org/bom", "https://cyclonedx.org/bom/v*")

_BOM = ("bomFormat", "specVersion", "serialNumber", "version", "metadata", "components")


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return version, serial number, date and number of components at the top level.

    Spec:
        CycloneDX 1.6, JSON reference, "bomFormat" to "components".
    """
    del statement
    document = unwrapped(predicate)
    if isinstance(document, str):
        document = parse(
            document.encode(), max_bytes=len(document) * 4, max_keys=MAX_KEYS, reason=Reason.STATEMENT_MALFORMED
        )
    facts = Facts()
    whole = Node(document, "predicate", _BOM)
    form = whole.required("bomFormat")
    if form != "CycloneDX":
        raise malformed(f"predicate.bomFormat is {form[:40]!r}, expected 'CycloneDX'")
    facts.decide("version", whole.required("specVersion"))
    facts.tell("serialNumber", whole.text("serialNumber"))
    facts.decide("created", whole.node("metadata", ("timestamp",)).instant("timestamp"))
    facts.decide("components.count", whole.number_of("components"))
    return facts.done()
