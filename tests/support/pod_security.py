"""The Pod Security Standards, profile `restricted` (and with it `baseline`), as a function over a pod's spec.

Spec:
    Kubernetes documentation, "Pod Security Standards", as of v1.34. Each check is named as there.
"""

from collections.abc import Iterator
from typing import Any

_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)
_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})


def violations(spec: dict[str, Any]) -> Iterator[str]:
    """Yield what the profile `restricted` forbids in a pod spec; nothing where the pod is admitted."""
    pod = spec.get("securityContext") or {}
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"host namespaces: {field}"
    for volume in spec.get("volumes") or []:
        for kind in set(volume) - {"name"} - _VOLUMES:
            yield f"volume types: {volume['name']} is {kind}"
    for sysctl in pod.get("sysctls") or []:
        if sysctl["name"] not in _SYSCTLS:
            yield f"sysctls: {sysctl['name']}"
    yield from _shared("the pod", pod)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or []:
            yield from _container(container, pod)


def _container(container: dict[str, Any], pod: dict[str, Any]) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext") or {}
    yield from _shared(name, own)
    if own.get("privileged"):
        yield f"privileged containers: {name}"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"privilege escalation: {name}"
    if not own.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield f"running as non-root: {name}"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"capabilities: {name} does not drop ALL"
    for added in set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"capabilities: {name} adds {added}"
    profile = (own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type")
    if profile not in _SECCOMP:
        yield f"seccomp: {name} has {profile}"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"host ports: {name} {port['hostPort']}"
    if own.get("procMount", "Default") != "Default":
        yield f"proc mount: {name}"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        action = (container.get(probe) or {}).get("httpGet") or (container.get(probe) or {}).get("tcpSocket") or {}
        if action.get("host"):
            yield f"host probes: {name} {probe}"


def _shared(name: str, context: dict[str, Any]) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield f"running as non-root user: {name} runs as 0"
    if context.get("runAsNonRoot") is False:
        yield f"running as non-root: {name} says false"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"host process: {name}"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in _SECCOMP:
        yield f"seccomp: {name}"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in _SECCOMP:
        yield f"AppArmor: {name}"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"SELinux: {name}"
