"""Whether the certificates of an anchored chain are revoked: what lists and responders say."""
