"""X.509: one certificate, paths to a trusted authority, who a certificate speaks for, that it was logged."""
