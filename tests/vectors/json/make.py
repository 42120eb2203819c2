"""Writes `vectors.json`: JSON documents that must be read, and documents that must be refused.

    python make.py            writes the file (deterministic: running it again changes nothing)

Our own work. Bytes are kept as hex, because many of them are no text. Refusals are of two kinds: what is no JSON, and
what is JSON that two readers may understand differently.
"""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent

ACCEPT = {
    "empty-object": b"{}",
    "empty-array": b"[]",
    "null": b"null",
    "true": b"true",
    "text": b'"text"',
    "zero": b"0",
    "minus-zero": b"-0",
    "largest-integer": b"9007199254740992",
    "least-integer": b"-9007199254740992",
    "fraction": b"[1.5, -0.25, 1e3, 1E-3, 1.0e+2]",
    "tiny-float": b"1e-400",
    "white-space": b" \t\r\n{ \"a\" :\n[ 1 , 2 ] } ",
    "escapes": rb'"\"\\\/\b\f\n\r\tA"',
    "surrogate-pair": rb'"\ud83d\ude00"',
    "escaped-backslash-before-u": rb'"\\ud83d"',
    "utf-8": '"né 漢 😀"'.encode(),
    "delete-character": b'"\x7f"',
    "same-key-in-two-objects": b'[{"a":1},{"a":2}]',
    "keys-by-case": b'{"a":1,"A":2}',
    "empty-key": b'{"":0}',
    "brackets-in-text": b'["[[[[{{{{", "\\"[[["]',
    "depth-64": b"[" * 64 + b"]" * 64,
    "wide": b"[" + b",".join([b"[]"] * 500) + b"]",
}

REFUSE = {
    "nothing": b"",
    "white-space-only": b"  \n",
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "utf-16-without-mark": '{"a":1}'.encode("utf-16-le"),
    "latin-1": '"é"'.encode("latin-1"),
    "overlong-utf-8": b'"\xc0\xaf"',
    "surrogate-in-utf-8": b'"\xed\xa0\x80"',
    "beyond-unicode": b'"\xf4\x90\x80\x80"',
    "utf-8-cut-short": b'"\xe6\xbc"',
    "lone-high-surrogate": rb'"\ud83d"',
    "lone-low-surrogate": rb'"\ude00"',
    "swapped-surrogates": rb'"\ude00\ud83d"',
    "lone-surrogate-in-key": rb'{"\ud83d":1}',
    "duplicate-key": b'{"a":1,"a":2}',
    "duplicate-key-same-value": b'{"a":1,"a":1}',
    "duplicate-key-escaped": rb'{"a":1,"\u0061":2}',
    "duplicate-key-deep": b'[{"x":{"a":1,"b":[],"a":2}}]',
    "duplicate-key-apart": b'{"a":1,' + b",".join(b'"k%d":0' % i for i in range(50)) + b',"a":2}',
    "nan": b"NaN",
    "infinity": b"[Infinity]",
    "minus-infinity": b"-Infinity",
    "nan-in-object": b'{"a":NaN}',
    "float-overflow": b"1e400",
    "minus-float-overflow": b"[-1e999]",
    "integer-beyond-2-53": b"9007199254740993",
    "integer-below-minus-2-53": b"-9007199254740993",
    "integer-of-5000-digits": b"1" * 5000,
    "leading-zero": b"01",
    "minus-leading-zero": b"-01",
    "plus": b"+1",
    "point-first": b".5",
    "point-last": b"1.",
    "exponent-without-digits": b"1e",
    "hexadecimal": b"0x10",
    "digit-of-another-script": "٣".encode(),
    "underscore-in-number": b"1_000",
    "single-quotes": b"{'a':1}",
    "bare-key": b"{a:1}",
    "number-as-key": b"{1:1}",
    "trailing-comma-in-object": b'{"a":1,}',
    "trailing-comma-in-array": b"[1,]",
    "double-comma": b"[1,,2]",
    "missing-comma": b'["a" "b"]',
    "missing-colon": b'{"a" 1}',
    "comment": b"[1] // one",
    "block-comment": b"/* */ []",
    "two-documents": b"{} {}",
    "text-behind": b"[]x",
    "nul-behind": b"[]\0",
    "unclosed-array": b"[1",
    "unclosed-object": b'{"a":1',
    "unclosed-text": b'"abc',
    "unclosed-escape": b'"abc\\',
    "closing-too-much": b"[]]",
    "wrong-closing": b"[1}",
    "newline-in-text": b'"a\nb"',
    "tab-in-text": b'"a\tb"',
    "nul-in-text": b'"a\0b"',
    "unknown-escape": rb'"\x41"',
    "short-unicode-escape": rb'"\u41"',
    "capital-true": b"True",
    "form-feed-as-white-space": b"\x0c[]",
    "no-break-space": "\u00a0[]".encode(),
    "depth-65": b"[" * 65 + b"]" * 65,
    "depth-65-objects": b'{"a":' * 65 + b"0" + b"}" * 65,
    "depth-behind-text": b'["\\"]]]]",' + b"[" * 64 + b"]" * 64 + b"]",
    "depth-10000": b"[" * 10_000,
}

document = {
    "accept": {name: data.hex() for name, data in ACCEPT.items()},
    "refuse": {name: data.hex() for name, data in REFUSE.items()},
}
(HERE / "vectors.json").write_text(json.dumps(document, indent=1) + "\n")
print(len(ACCEPT), "accepted,", len(REFUSE), "refused")
