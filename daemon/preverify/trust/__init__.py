"""Trust material from outside: roots that are built in, fetched by TUF or imported, and when it all ends."""

from preverify.trust.roots import Get, Refreshed, Result, Roots

__all__ = ["Get", "Refreshed", "Result", "Roots"]
