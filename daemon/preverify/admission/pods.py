"""Where Kubernetes objects hold images, as types: only what is read, and everything that is read typed."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from preverify.model.errors import BadInput


class Container(Struct, frozen=True):
    """A container of any of the three lists. Templates may leave the image to be filled in; we then refuse it."""

    image: str = ""


class ImageVolume(Struct, frozen=True):
    """The image source of a volume."""

    reference: str = ""


class Volume(Struct, frozen=True):
    """A volume; all other sources bring no image."""

    image: ImageVolume | None = None


class PodSpec(Struct, frozen=True):
    """core/v1 PodSpec. `containers` is required there."""

    containers: list[Container]
    initContainers: list[Container] | None = None  # noqa: N815 - Kubernetes' names
    ephemeralContainers: list[Container] | None = None  # noqa: N815
    volumes: list[Volume] | None = None


class Pod(Struct, frozen=True):
    """core/v1 Pod, and the shape of a PodTemplateSpec."""

    spec: PodSpec


class PodTemplate(Struct, frozen=True):
    """core/v1 PodTemplate."""

    template: Pod


class OwnerSpec(Struct, frozen=True):
    """What all owners of pods share."""

    template: Pod


class Owner(Struct, frozen=True):
    """apps/v1 owners and batch/v1 Job."""

    spec: OwnerSpec


class OptionalOwnerSpec(Struct, frozen=True):
    """A ReplicationController may have no template."""

    template: Pod | None = None


class OptionalOwner(Struct, frozen=True):
    """core/v1 ReplicationController."""

    spec: OptionalOwnerSpec


class CronJobSpec(Struct, frozen=True):
    """batch/v1 CronJobSpec."""

    jobTemplate: Owner  # noqa: N815


class CronJob(Struct, frozen=True):
    """batch/v1 CronJob."""

    spec: CronJobSpec


class Kind(Struct, frozen=True):
    """A GroupVersionKind."""

    version: str
    kind: str
    group: str = ""


class ReviewRequest(Struct, frozen=True):
    """AdmissionRequest. `oldObject`, `options`, `userInfo` and `dryRun` are left unread on purpose."""

    uid: str
    kind: Kind
    operation: str
    namespace: str = ""
    subResource: str = ""  # noqa: N815
    object: Raw = Raw(b"null")


class Review(Struct, frozen=True):
    """AdmissionReview."""

    apiVersion: str  # noqa: N815
    kind: str
    request: ReviewRequest | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kind keeps its pod spec: the path for people, and how to get there."""

    path: str
    read: Callable[[Raw], PodSpec | None]


_decode_pod = msgspec.json.Decoder(Pod).decode
_decode_pod_template = msgspec.json.Decoder(PodTemplate).decode
_decode_owner = msgspec.json.Decoder(Owner).decode
_decode_cron_job = msgspec.json.Decoder(CronJob).decode
_decode_controller = msgspec.json.Decoder(OptionalOwner).decode


def _pod(raw: Raw) -> PodSpec:
    return _decode_pod(raw).spec


def _pod_template(raw: Raw) -> PodSpec:
    return _decode_pod_template(raw).template.spec


def _owner(raw: Raw) -> PodSpec:
    return _decode_owner(raw).spec.template.spec


def _cron_job(raw: Raw) -> PodSpec:
    return _decode_cron_job(raw).spec.jobTemplate.spec.template.spec


def _controller(raw: Raw) -> PodSpec | None:
    template = _decode_controller(raw).spec.template
    return None if template is None else template.spec


_OWNER = Place("spec.template.spec", _owner)
PLACES: dict[tuple[str, str, str], Place] = {
    ("", "v1", "Pod"): Place("spec", _pod),
    ("", "v1", "PodTemplate"): Place("template.spec", _pod_template),
    ("", "v1", "ReplicationController"): Place("spec.template.spec", _controller),
    ("apps", "v1", "Deployment"): _OWNER,
    ("apps", "v1", "ReplicaSet"): _OWNER,
    ("apps", "v1", "StatefulSet"): _OWNER,
    ("apps", "v1", "DaemonSet"): _OWNER,
    ("batch", "v1", "Job"): _OWNER,
    ("batch", "v1", "CronJob"): Place("spec.jobTemplate.spec.template.spec", _cron_job),
}


def pod_spec(raw: Raw, place: Place) -> PodSpec | None:
    """Return the pod spec of an object, None where the kind may do without and does.

    Raises:
        BadInput: the object is missing or is not of its kind.
    """
    try:
        return place.read(raw)
    except msgspec.ValidationError as error:
        raise BadInput(f"request.object cannot be read: {error}") from error
