"""Whether one certificate is the issuer of another: by name and by signature, and nothing else."""

from cryptography.exceptions import InvalidSignature

from preverify.verify.certificates.certificate import UNREADABLE, Certificate


def is_issued(child: Certificate, parent: Certificate) -> bool:
    """Say whether `parent` is named as the issuer of `child` and signed it, by exactly the algorithm it names.

    Never raises.
    """
    if child.issuer != parent.subject:
        return False
    if child.algorithm is not None:
        return parent.key.verify_as(child.algorithm, child.signature, child.signed)
    try:  # RSA-PSS has its parameters in the certificate, where the library has read them
        child.x509.verify_directly_issued_by(parent.x509)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
