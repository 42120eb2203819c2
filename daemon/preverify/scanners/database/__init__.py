"""The database of known vulnerabilities: made of OSV records, kept in a registry, pulled and held."""
