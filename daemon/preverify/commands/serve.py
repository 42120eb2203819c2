"""`preverify serve`: the daemon."""

from preverify import wiring
from preverify.commands.common import ConfigOption, config_path, load_settings

NAME = "serve"


def command(config: ConfigOption = None) -> None:
    """Watch, verify, publish and answer, until told to stop."""
    raise SystemExit(wiring.serve(load_settings(config), config_path(config)))
