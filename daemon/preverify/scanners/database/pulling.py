"""A database out of a verified image: fetched by digest, unpacked within bounds, checked, then brought into use."""

from preverify.model.evidence import Image
from preverify.ports import Clock, Registry
from preverify.scanners.database.artifact import layer_of, unpack
from preverify.scanners.database.holding import Holding


def pull(
    registry: Registry, image: Image, holding: Holding, *, reference: str, clock: Clock, allow_older: bool = False
) -> bool:
    """Bring the database of an image into use; False where it is in use already.

    Args:
        registry: Where the image is.
        image: The image. The caller has verified its signatures, and its bytes have the digest that they are about.
        holding: Where databases are kept.
        reference: The name to remember it by.
        clock: Time.
        allow_older: Whether it may be older than what is in use.

    Raises:
        MalformedEvidence: the image is no database, or its layer is not what it says.
        BadInput: the file is no database of this version, or older than what is in use.
        Unavailable: the registry does not answer.
    """
    layer = layer_of(image.manifest)
    with holding.room("layer") as packed, holding.room("database") as unpacked:
        registry.copy_blob(image.subject.repository, layer.digest, size=layer.size, into=packed)
        packed.seek(0)
        unpack(packed, layer.size, unpacked)
        return holding.take_in(
            unpacked,
            reference=reference,
            image=str(image.subject.digest),
            now=clock.now(),
            allow_older=allow_older,
        )
