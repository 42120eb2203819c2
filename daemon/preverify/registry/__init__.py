"""The registry room: everything that speaks to a registry or reads a directory of OCI layouts."""
