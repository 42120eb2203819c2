"""RT-10: a chain in which any authority is expired holds nowhere, whatever stands for the time of signing."""

from datetime import timedelta

import pytest

from preverify.model.reasons import Reason
from support import keyless, pki

AT = pki.SIGNED_AT
HOUR = timedelta(hours=1)
PAST, FUTURE = (AT - 9 * HOUR, AT - HOUR), (AT + HOUR, AT + 9 * HOUR)
TSA = pki.tsa()
GOOD = pki.root("good")


def chains() -> dict[str, pki.Party]:
    """Return issuing authorities by what is wrong above the leaf."""
    made = {}
    for when, window in (("expired", PAST), ("not yet valid", FUTURE)):
        root = pki.root(f"{when} root", valid=window)
        upper = pki.intermediate(GOOD, f"{when} upper", path_length=1, valid=window)
        made[f"{when} root"] = pki.intermediate(root, f"below {when} root")
        made[f"{when} upper"] = pki.intermediate(upper, f"below {when} upper")
        made[f"{when} issuing"] = pki.intermediate(GOOD, f"{when} issuing", valid=window)
    return made


CHAINS = chains()


@pytest.mark.parametrize("name", sorted(CHAINS))
@pytest.mark.parametrize("stamped", [True, False], ids=["stamped", "by the clock"])
def test_an_authority_outside_of_its_time(name: str, stamped: bool) -> None:
    tsa = TSA if stamped else None
    issuing = CHAINS[name]
    found = keyless.finding(keyless.layer(pki.leaf(issuing), tsa), issuing.authority(), tsa=tsa, now=AT)
    assert (found.established, found.reason) == (False, Reason.CERTIFICATE_EXPIRED)
    assert name.rpartition(" ")[0] in found.detail


@pytest.mark.parametrize("stamped", [True, False], ids=["stamped", "by the clock"])
def test_the_same_chain_in_its_time_holds(stamped: bool) -> None:
    tsa = TSA if stamped else None
    issuing = pki.intermediate(GOOD, "issuing")
    found = keyless.finding(keyless.layer(pki.leaf(issuing), tsa), issuing.authority(), tsa=tsa, now=AT)
    assert found.established
    assert found.signing is not None
    assert found.signing.until == (None if stamped else AT + timedelta(minutes=5))


def test_the_clock_does_not_help_what_was_stamped_too_late() -> None:
    issuing = pki.intermediate(GOOD, "issuing")
    late = keyless.layer(pki.leaf(issuing), TSA, at=AT + HOUR)
    found = keyless.finding(late, issuing.authority(), tsa=TSA, now=AT)
    assert (found.established, found.reason) == (False, Reason.CERTIFICATE_EXPIRED)
