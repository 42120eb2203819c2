"""Typed configuration and how it is loaded. Values come from defaults, the file, the environment and flags."""

from preverify.settings.loading import Loaded, load, load_with_origins, without_password
from preverify.settings.sections import (
    Budget,
    Credentials,
    Database,
    Duration,
    Hooks,
    Listen,
    ListenTls,
    Metrics,
    Policies,
    Publish,
    Settings,
    Signing,
    Source,
    SourceTls,
    Sweep,
    is_loopback,
)

__all__ = [
    "Budget",
    "Credentials",
    "Database",
    "Duration",
    "Hooks",
    "Listen",
    "ListenTls",
    "Metrics",
    "Policies",
    "Publish",
    "Settings",
    "Signing",
    "Source",
    "SourceTls",
    "Sweep",
    "Loaded",
    "is_loopback",
    "load",
    "load_with_origins",
    "without_password",
]
