"""Files that come with the program: data of an installed wheel, else the repository's own directories."""

from pathlib import Path

import preverify
from preverify.model.errors import BadConfiguration


def shipped(name: str, sample: str) -> Path:
    """Return the directory called `name`; `sample` is a file that it must hold.

    Raises:
        BadConfiguration: it is in neither place.
    """
    package = Path(preverify.__file__).parent
    for place in (package / "_shipped" / name, package.parents[1] / name):
        if (place / sample).is_file():
            return place
    raise BadConfiguration(f"the installation is incomplete: it holds no {name}, install preverify again")
