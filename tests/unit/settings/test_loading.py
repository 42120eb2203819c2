"""Configuration: where values come from, what is refused, and that secrets stay in their files."""

from datetime import timedelta
from pathlib import Path

import pytest

from preverify.model.errors import BadConfiguration
from preverify.settings import (
    Database,
    Listen,
    Loaded,
    Settings,
    Source,
    is_loopback,
    load,
    load_with_origins,
    without_password,
)

ROOT = Path(__file__).resolve().parents[3]
SHOP = "apiVersion: preverify/v1\nkind: Config\nsources:\n  shop:\n    registry: Registry.Example\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "preverify.yaml"
    path.write_text(SHOP)
    return path


def refusal(path: Path | None, env: dict[str, str] | None = None, flags: dict[str, object] | None = None) -> str:
    with pytest.raises(BadConfiguration) as caught:
        load(path, env or {}, flags or {})
    return str(caught.value)


def with_text(config: Path, text: str) -> Path:
    config.write_text(text)
    return config


def test_defaults_alone_are_a_configuration() -> None:
    settings = load(None, {}, {})
    assert settings == Settings()
    assert settings.listen.address == "127.0.0.1:8787"


def test_the_shipped_example_loads() -> None:
    settings = load(ROOT / "config" / "preverify.yaml", {}, {})
    assert settings.sources["shop"].sweep.evidence == timedelta(hours=1)
    assert settings.policies.directory == ROOT / "config" / "policies"


def test_names_of_registries_are_brought_to_the_internal_form(config: Path) -> None:
    assert load(config, {}, {}).sources["shop"].registry == "registry.example"
    assert Source(registry="index.docker.io").registry == "docker.io"
    assert Source(registry="oci:/srv/layouts/").registry == "oci:/srv/layouts"


def test_each_layer_goes_over_the_one_before(config: Path) -> None:
    config.write_text(SHOP + "workers: 3\nlisten: {address: '127.0.0.1:1'}\nmetrics: {address: '127.0.0.1:2'}\n")
    env = {
        "PREVERIFY__WORKERS": "4",
        "PREVERIFY__LISTEN__ADDRESS": "127.0.0.1:5",
        "PREVERIFY_TOOLS": "/tools",
        "HOME": "/",
    }
    loaded = load_with_origins(config, env, {"listen.address": "127.0.0.1:0"})
    settings = loaded.settings
    assert (settings.workers, settings.listen.address, settings.metrics.address) == (4, "127.0.0.1:0", "127.0.0.1:2")
    assert {key: loaded.origins[key] for key in ("workers", "listen.address", "metrics.address", "state", "kind")} == {
        "workers": "environment PREVERIFY__WORKERS",
        "listen.address": "flag",
        "metrics.address": f"{config}:8",
        "state": "default",
        "kind": f"{config}:2",
    }
    assert loaded.origins["sources.shop.sweep.tags"] == "default"


def test_the_environment_finds_keys_whatever_their_case(config: Path) -> None:
    env = {
        "PREVERIFY__SOURCES__SHOP__CREDENTIALS__PASSWORD_FILE": "/run/secrets/password",
        "PREVERIFY__SOURCES__SHOP__ALIASES": '["mirror.internal:5000"]',
        "PREVERIFY__SOURCES__SHOP__SWEEP__TAGS": "5m",
        "PREVERIFY__SOURCES__SHOP__NETWORK": "private",
        "PREVERIFY__SOURCES__BACK_OFFICE__REGISTRY": "localhost:5000",
        "PREVERIFY__SIGNING__PUBLISHEDVALIDITY": "1d",
        "PREVERIFY__METRICS__REPOSITORY_LABEL": "true",
        "PREVERIFY__LISTEN__TOKENS_FILE": "",
        "PREVERIFY__LISTEN__MAX_STALE": "2h",
    }
    settings = load(config, env, {})
    shop = settings.sources["shop"]
    assert shop.credentials is not None
    assert shop.credentials.password_file == Path("/run/secrets/password")
    assert (shop.aliases, shop.sweep.tags, shop.network) == (("mirror.internal:5000",), timedelta(minutes=5), "private")
    assert settings.sources["back-office"].registry == "localhost:5000"
    assert settings.signing.published_validity == timedelta(days=1)
    assert (settings.metrics.repository_label, settings.listen.tokens_file) == (True, None)
    assert settings.listen.max_stale == timedelta(hours=2)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "PREVERIFY__LISTN__ADDRESS",
            "x",
            "environment PREVERIFY__LISTN__ADDRESS: unknown key 'listn', did you mean 'listen'?",
        ),
        ("PREVERIFY__WORKERS", "many", "environment PREVERIFY__WORKERS: workers: input should be a valid integer"),
        ("PREVERIFY__WORKERS__COUNT", "2", "environment PREVERIFY__WORKERS__COUNT: workers holds no keys"),
        ("PREVERIFY__SOURCES__SHOP__ALIASES", "[a", "environment PREVERIFY__SOURCES__SHOP__ALIASES: not YAML"),
        ("PREVERIFY__SOURCES__SHOP__SWEEP__TAGS", "10", "sources.shop.sweep.tags: '10' is not a duration"),
        (
            "PREVERIFY__SOURCES__B__REGISTRY",
            "a_b",
            "environment PREVERIFY__SOURCES__B__REGISTRY: sources.b.registry: 'a_b' is",
        ),
    ],
)
def test_a_variable_that_leads_nowhere_is_named(config: Path, name: str, value: str, sentence: str) -> None:
    assert sentence in refusal(config, {name: value})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1]", ":1: expected a mapping with apiVersion and kind"),
        (SHOP + "---\n" + SHOP, "holds 2 YAML documents, expected one"),
        (SHOP + "kind: Config\n", ":6: kind: this key stands twice"),
        ("kind: Policy", ":1: kind: input should be 'Config'"),
        ("workrs: 2", ":1: workrs: unknown key 'workrs', did you mean 'workers'?"),
        (
            "sources:\n  shop:\n    registy: x",
            ":3: sources.shop.registy: unknown key 'registy', did you mean 'registry'?",
        ),
        ("sources:\n  shop: {registry: a.example, tls: {ca_file: x}}", "unknown key 'ca_file', did you mean 'caFile'?"),
        ("sources: {Shop: {registry: a.example}}", "sources.Shop: 'Shop' is not a source name"),
        ("sources: {shop: {registry: 'https://a.example'}}", "'https://a.example' is not a registry host"),
        (
            "sources: {shop: {registry: 'oci:layouts'}}",
            "'oci:layouts' is no layout directory, expected oci:/absolute/directory",
        ),
        ("sources: {shop: {registry: 'oci:/a/../b'}}", "is no layout directory"),
        (
            "sources: {shop: {registry: a.example, aliases: ['b/c']}}",
            "sources.shop.aliases[0]: 'b/c' is not a registry host",
        ),
        (
            "sources: {shop: {registry: a.example, repositories: ['a?']}}",
            "sources.shop.repositories[0]: 'a?' holds '?'",
        ),
        ("sources: {shop: {registry: a.example, budget: {concurrent: 0}}}", "sources.shop.budget.concurrent: "),
        ("sources: {shop: {registry: a.example, hooks: {format: x}}}", "sources.shop.hooks.secretFile: is required"),
        ("sources: {shop: {registry: a.example, publish: {layout: bundles}}}", "sources.shop.publish.layout: "),
        ("listen: {address: '0.0.0.0:8787'}", ":1: listen: address '0.0.0.0:8787' is not loopback; answers and tokens"),
        ("listen: {address: '[::]:8787'}", "is not loopback"),
        ("listen: {address: 'answers.example:8787'}", "is not loopback"),
        ("listen: {address: '8787'}", "'8787' is not an address to listen on, expected host:port"),
        ("listen: {address: '127.0.0.1:65536'}", "is not an address to listen on"),
        ("metrics: {address: '127.0.0.1:x'}", "is not an address to listen on"),
        (
            "database: {url: 'mysql://x'}",
            ":1: database.url: is for 'mysql', expected sqlite:// or postgresql+psycopg://",
        ),
        ("workers: 0", "workers: "),
        ("workers: 65", "workers: "),
    ],
)
def test_a_file_with_a_mistake_is_refused_with_its_place(config: Path, text: str, sentence: str) -> None:
    message = refusal(with_text(config, text))
    assert message.startswith(str(config))
    assert sentence in message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{registry: a.example}", "{registry: A.example}"),
        ("{registry: a.example}", "{registry: b.example, aliases: [a.example]}"),
        ("{registry: a.example, aliases: [m.example]}", "{registry: b.example, aliases: [m.example]}"),
        ("{registry: docker.io}", "{registry: registry-1.docker.io}"),
        ("{registry: a.example, aliases: [a.example]}", "{registry: b.example}"),
        ("{registry: 'oci:/srv/a'}", "{registry: 'oci:/srv/a/'}"),
    ],
)
def test_a_name_belongs_to_one_source(config: Path, one: str, other: str) -> None:
    """Else it were a matter of order which credentials and policies an image meets."""
    message = refusal(with_text(config, f"sources: {{one: {one}, other: {other}}}"))
    assert "is a registry or alias of source 'one' and again of" in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.yaml") == f"{tmp_path / 'gone.yaml'}: cannot be read: No such file or directory"
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * ((1 << 20) + 1))
    assert "is longer than 1048576 bytes" in refusal(large)
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing yet\n")
    assert load(empty, {}, {}) == load(None, {}, {}).model_copy(
        update={"policies": Settings().policies.model_copy(update={"directory": tmp_path / "policies"})}
    )


def test_paths_are_relative_to_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(
        SHOP + "    tls: {caFile: ca.pem}\n    credentials: {tokenFile: /run/token}\n"
        "state: var\nsigning: {keyFile: keys/signing.pem}\n"
    )
    monkeypatch.chdir(config.parent)
    for path in (config, Path(config.name)):
        settings = load(path, {"PREVERIFY__LISTEN__TOKENS_FILE": "tokens"}, {})
        base = config.parent
        assert settings.state == base / "var"
        assert settings.signing.key_file == base / "keys/signing.pem"
        assert settings.policies.directory == base / "policies"
        assert settings.listen.tokens_file == base / "tokens"
        shop = settings.sources["shop"]
        assert shop.tls.ca_file == base / "ca.pem"
        assert shop.credentials is not None
        assert shop.credentials.token_file == Path("/run/token")
    assert load(None, {}, {}).policies.directory == Path("policies")


def test_tls_allows_every_address(config: Path) -> None:
    config.write_text("listen: {address: '0.0.0.0:8443', tls: {certFile: c.pem, keyFile: k.pem}}\n")
    assert load(config, {}, {}).listen.address == "0.0.0.0:8443"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("10.0.0.1:1", False),
        ("[::]:1", False),
        ("localhost.example:1", False),
        ("[::ffff:10.0.0.1]:1", False),
    ],
)
def test_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_a_password_is_taken_from_a_file_only_and_never_shown(config: Path, tmp_path: Path) -> None:
    secret = "postgresql+psycopg://me:hunter2@db.example/preverify?sslpassword=hunter3&x=1"
    for origin in ({"database.url": secret}, {}):
        env = {} if origin else {"PREVERIFY__DATABASE__URL": secret}
        message = refusal(config, env, origin)
        assert "holds a password; put the URL into a file and name it as database.urlFile" in message
        assert "hunter" not in message
    (tmp_path / "url").write_text(secret + "\n")
    for env in ({"PREVERIFY__DATABASE__URL_FILE": "url"}, {"PREVERIFY__DATABASE__URL_FILE": str(tmp_path / "url")}):
        loaded = load_with_origins(config, env, {})
        assert loaded.settings.database.url == secret
        assert loaded.origins["database.urlFile"] == "environment PREVERIFY__DATABASE__URL_FILE"
        assert "hunter" not in str(loaded.document())
        assert loaded.document()["database"]["url"] == without_password(secret)


def test_a_url_file_that_cannot_be_used(config: Path, tmp_path: Path) -> None:
    flags: dict[str, object] = {"database.urlFile": "url"}
    assert "url: cannot be read" in refusal(config, {}, flags)
    (tmp_path / "url").write_bytes(b"\xff")
    assert "url: not UTF-8 text" in refusal(config, {}, flags)
    (tmp_path / "url").write_text("https://me:hunter2@x")
    message = refusal(config, {}, flags)
    assert "is for 'https', expected sqlite:// or postgresql+psycopg://" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("postgresql+psycopg://me@db/x", "postgresql+psycopg://me@db/x"),
        ("postgresql+psycopg://me:a:b@db/x", "postgresql+psycopg://me:***@db/x"),
        (
            "postgresql+psycopg:///x?user=me&password=a&host=/run",
            "postgresql+psycopg:///x?user=me&password=***&host=/run",
        ),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_flags_reach_below_what_is_not_there(config: Path) -> None:
    settings = load(
        config, {}, {"sources.other.registry": "b.example", "listen.tls.certFile": "c", "listen.tls.keyFile": "k"}
    )
    assert settings.sources["other"].registry == "b.example"
    assert settings.listen.tls is not None
    assert settings.listen.tls.cert_file == config.parent / "c"


def test_the_shown_document_loads_again(config: Path, tmp_path: Path) -> None:
    import json

    loaded = load_with_origins(config, {"PREVERIFY__SOURCES__SHOP__SWEEP__TAGS": "90s"}, {})
    assert isinstance(loaded, Loaded)
    again = tmp_path / "again.yaml"
    again.write_text(json.dumps(loaded.document()))
    assert load(again, {}, {}) == loaded.settings


def test_the_vulnerability_database_is_named_as_images_are(config: Path) -> None:
    text = "vulnerabilities: {database: {reference: Registry.Example/security/v, policy: p, directory: d}}\n"
    database = load(with_text(config, text), {}, {}).vulnerabilities.database
    assert database.reference == "registry.example/security/v:latest"
    assert (database.policy, database.directory) == (config.parent / "p", config.parent / "d")
    assert database.max_age == timedelta(hours=48)
    assert "not a repository name" in refusal(
        with_text(config, "vulnerabilities: {database: {reference: registry.example/V}}\n")
    )
    assert "greater than or equal to" in refusal(with_text(config, "vulnerabilities: {database: {maxAge: 1s}}\n"))


def test_parts_can_be_built_in_code() -> None:
    assert Listen(address="127.0.0.1:0").tls is None
    assert Database(url="sqlite://").url_file is None
