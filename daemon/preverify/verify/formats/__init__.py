"""One module per format that evidence comes in. A new format is one file here and one line in `verify.FORMATS`."""
