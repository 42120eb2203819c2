"""DSSE envelopes and the in-toto Statements in them."""
