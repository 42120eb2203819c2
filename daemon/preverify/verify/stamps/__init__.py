"""RFC 3161 time stamps: tokens, what they say, and whether a trusted authority gave them."""
