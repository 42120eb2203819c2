"""DER, CBOR and base64, read strictly: one meaning or none."""
