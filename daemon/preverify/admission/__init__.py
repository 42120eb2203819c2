"""Front ends: request bytes become questions about images, answers become response bytes. One module each. Pure."""

from preverify.admission import auth, batch, lookup, validate
from preverify.admission.question import FrontEnd

FRONT_ENDS: tuple[FrontEnd, ...] = (lookup, batch, auth, validate)
