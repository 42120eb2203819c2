"""The rules that the manifests are held to refuse what the profile refuses."""

import copy
from typing import Any

import pytest

from support.pod_security import violations

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "c",
            "ports": [{"containerPort": 8787}],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
    "volumes": [{"name": "v", "emptyDir": {}}],
}


def test_a_restricted_pod_is_admitted() -> None:
    assert list(violations(GOOD)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("hostNetwork",), True),
        (("hostPID",), True),
        (("hostIPC",), True),
        (("volumes", 0), {"name": "v", "hostPath": {"path": "/"}}),
        (("volumes", 0), {"name": "v", "nfs": {}}),
        (("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
        (("securityContext", "runAsUser"), 0),
        (("securityContext", "runAsNonRoot"), False),
        (("securityContext", "seccompProfile"), {"type": "Unconfined"}),
        (("securityContext", "seccompProfile"), None),
        (("securityContext", "appArmorProfile"), {"type": "Unconfined"}),
        (("securityContext", "seLinuxOptions"), {"user": "system_u"}),
        (("securityContext", "seLinuxOptions"), {"type": "spc_t"}),
        (("securityContext", "windowsOptions"), {"hostProcess": True}),
        (("containers", 0, "securityContext"), None),
        (("containers", 0, "securityContext", "privileged"), True),
        (("containers", 0, "securityContext", "allowPrivilegeEscalation"), True),
        (("containers", 0, "securityContext", "runAsNonRoot"), False),
        (("containers", 0, "securityContext", "runAsUser"), 0),
        (("containers", 0, "securityContext", "capabilities"), {"drop": ["NET_RAW"]}),
        (("containers", 0, "securityContext", "capabilities"), {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        (("containers", 0, "securityContext", "procMount"), "Unmasked"),
        (("containers", 0, "securityContext", "seccompProfile"), {"type": "Unconfined"}),
        (("containers", 0, "ports"), [{"containerPort": 1, "hostPort": 1}]),
        (("containers", 0, "livenessProbe"), {"httpGet": {"host": "169.254.169.254"}}),
        (("initContainers",), [{"name": "i"}]),
        (("ephemeralContainers",), [{"name": "e"}]),
    ],
)
def test_each_weakening_is_found(path: tuple[Any, ...], value: Any) -> None:
    spec = copy.deepcopy(GOOD)
    inner: Any = spec
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert list(violations(spec))
