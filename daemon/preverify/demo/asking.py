"""Questions to the daemon over HTTP, as its callers send them."""

import json
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import quote

from preverify.model.reference import Subject


class DemoFailed(Exception):
    """The demo cannot go on; the message is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer and how long it took."""

    status: int
    body: bytes
    seconds: float

    def document(self) -> dict[str, object]:
        """Return the JSON object of the body."""
        document = json.loads(self.body)
        if not isinstance(document, dict):
            raise DemoFailed(f"expected a JSON object, got {self.body[:80]!r}")
        return document


def ask(address: str, method: str, path: str, body: object = None) -> Reply:
    """Send one request to the daemon on a new connection."""
    connection = HTTPConnection(address, timeout=10)
    try:
        began = time.perf_counter()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        content = answer.read(1024 * 1024)
        return Reply(status=answer.status, body=content, seconds=time.perf_counter() - began)
    finally:
        connection.close()


def lookup(address: str, digest: str, image: str | None) -> Reply:
    """Ask what a cluster would ask."""
    return ask(address, "GET", f"/v1/lookup/{digest}" + (f"?image={quote(image, safe='')}" if image else ""))


def admission(address: str, subject: Subject) -> tuple[bool, float]:
    """Ask as a Kubernetes API server does when a pod comes; return whether it is allowed, and the seconds it took."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "demo", "namespace": "default"},
        "spec": {"containers": [{"name": "main", "image": str(subject)}]},
    }
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "demo",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "demo"},
            "object": pod,
        },
    }
    reply = ask(address, "POST", "/k8s/validate", review)
    response = reply.document().get("response")
    if not isinstance(response, dict) or not isinstance(response.get("allowed"), bool):
        raise DemoFailed(f"the AdmissionReview was answered with {reply.status}: {reply.body[:200]!r}")
    return response["allowed"], reply.seconds
