"""Push notifications: headers and bytes become hints. One module per sender. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from preverify.model.hints import Hint
from preverify.webhooks import distribution, generic

MAX_BODY_BYTES = 256 * 1024


class WebhookFormat(Protocol):
    """What every module in this folder offers. Header names are lower case; no header stands twice."""

    NAME: str

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:
        """Say in constant time whether the delivery knows `secret`. Called before anything is parsed."""

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[Hint, ...]:
        """Return what the delivery hints at; empty where it concerns nothing that we look at.

        Raises:
            BadInput: the body is not of this format.
        """


FORMATS: tuple[WebhookFormat, ...] = (distribution, generic)


def named(name: str) -> WebhookFormat | None:
    """Return the format that is called `name` in the configuration, or None."""
    return next((one for one in FORMATS if name == one.NAME), None)
