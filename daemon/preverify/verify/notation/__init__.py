"""What both envelopes of Notation have in common: signed attributes, chains, and the steps of a verification."""
