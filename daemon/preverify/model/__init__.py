"""Values of the whole flow: references, digests, evidence, findings, verdicts, reasons, errors, strict JSON. Pure."""
