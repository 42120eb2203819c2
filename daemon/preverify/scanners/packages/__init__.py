"""What packages and versions are called, and how versions are ordered, ecosystem by ecosystem."""
