"""From passed verdicts to the bytes that we sign, and to the manifests that carry them. Pure."""
