"""Whether one certificate is the issuer of another: by name and by signature, and nothing else."""

from cryptography.exceptions import InvalidSignature

from preverify.verify.certificates.certificate import Certificate


def is_issued(child: Certificate, parent: Certificate) -> bool:
    """Say whether `parent` is named as the issuer of `child` and signed it."""
    if child.issuer != parent.subject:
        return False
    try:
        child.x509.verify_directly_issued_by(parent.x509)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
