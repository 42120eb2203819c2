"""Trust material from outside: roots that are built in, fetched by TUF or imported, and when it all ends.

The TUF client is loaded where a root is really looked at, not here: most processes never do.
"""

from preverify.trust.embedded import read_built_in
from preverify.trust.files import list_files
from preverify.trust.parts import Kind, Part, figures, parts, trust_expiry
from preverify.trust.refreshing import refresh_due
from preverify.trust.roots import Get, Refreshed, Result, Roots

__all__ = [
    "Get",
    "Kind",
    "Part",
    "Refreshed",
    "Result",
    "Roots",
    "figures",
    "list_files",
    "parts",
    "read_built_in",
    "refresh_due",
    "trust_expiry",
]
