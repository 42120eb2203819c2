"""Rows of the rule `config`: each field holds and is violated alone, about one image."""

from preverify.model.verdicts import Answer
from support.configured import answers, document, image

SEEN = image(
    document(
        {
            "User": "app",
            "Env": ["PATH=/bin", "API_TOKEN=x"],
            "Labels": {"vendor": "acme"},
            "Entrypoint": ["/app"],
            "ExposedPorts": {"8080/tcp": {}},
        }
    ),
    layers=(1024, 1024),
)
BARE = image(document({"User": "0", "Volumes": {"/data": {}}}))
PLAIN = image(document({"User": "1", "Entrypoint": ["/app"]}))


def pair(kept: str, violated: str) -> tuple[Answer, Answer]:
    return answers(f"config: {{{kept}}}", f"config: {{{violated}}}", SEEN)


def about(demand: str) -> tuple[Answer, Answer]:
    """Ask under one demand about an image that satisfies it and one that does not."""
    whole = f"config: {{{demand}}}"
    return answers(whole, whole, PLAIN)[0], answers(whole, whole, BARE)[0]


ROWS = {
    "RuleSpec.config": pair("maxLayers: 2", "maxLayers: 1"),
    "ConfigSpec.non_root": about("nonRoot: true"),
    "ConfigSpec.user_names": pair("nonRoot: true, userNames: [app]", "nonRoot: true, userNames: [apps]"),
    "ConfigSpec.users": pair("users: [app]", "users: [root]"),
    "ConfigSpec.labels": pair("labels: {vendor: acme}", "labels: {vendor: other}"),
    "ConfigSpec.label_patterns": pair("labelPatterns: {vendor: 'ac[a-z]+'}", "labelPatterns: {vendor: 'ac[a-z]'}"),
    "ConfigSpec.required_labels": pair("requiredLabels: [vendor]", "requiredLabels: [maker]"),
    "ConfigSpec.forbidden_labels": pair("forbiddenLabels: [maker]", "forbiddenLabels: [vendor]"),
    "ConfigSpec.secrets": pair("maxLayers: 2", "maxLayers: 2, secrets: deny"),
    "ConfigSpec.allowed_env": pair("secrets: deny, allowedEnv: [API_TOKEN]", "secrets: deny, allowedEnv: [API_KEY]"),
    "ConfigSpec.forbidden_env": pair("forbiddenEnv: [LD_PRELOAD]", "forbiddenEnv: [PATH]"),
    "ConfigSpec.entrypoint": about("entrypoint: required"),
    "ConfigSpec.entrypoints": pair("entrypoints: [[/app]]", "entrypoints: [[/app, x]]"),
    "ConfigSpec.exposed_ports": pair("exposedPorts: ['8080']", "exposedPorts: ['8081']"),
    "ConfigSpec.forbidden_ports": pair("forbiddenPorts: ['22']", "forbiddenPorts: ['8080']"),
    "ConfigSpec.volumes": about("volumes: none"),
    "ConfigSpec.max_layers": pair("maxLayers: 2", "maxLayers: 1"),
    "ConfigSpec.max_size": pair("maxSize: 2KiB", "maxSize: 1KiB"),
}
