"""What every Sigstore signature has in common: bundles as documents, and the steps of the client specification."""
