"""Public keys: loading, algorithms, the raw check, and the keys of one verification."""
