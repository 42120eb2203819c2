"""`python -m preverify`."""

from preverify.commands import main

main()
