"""A tiny OIDC issuer for the private Sigstore, and for nothing else: whoever asks gets a token.

    oidc.py DIR PORT

Issuers are http://127.0.0.1:PORT/<name>; <name> is one of email, github, uri, chainguard. POST /<name>/token with a
JSON object of claims answers {"token": ..., "issuer": ..., "identity": ...}; a claim that is null is left out.
"""

import base64
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from answering import Handler, serve
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer:
    def __init__(self, directory: Path, port: int) -> None:
        key = serialization.load_pem_private_key((directory / "pki" / "oidc.key").read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        public = key.public_key().public_numbers()
        self.key = key
        self.jwk = {"kty": "RSA", "alg": "RS256", "use": "sig", "n": number(public.n), "e": number(public.e)}
        self.jwk["kid"] = b64(hashlib.sha256(json.dumps(self.jwk, sort_keys=True).encode()).digest())
        self.root = f"http://127.0.0.1:{port}"

    def discovery(self, name: str) -> dict[str, Any]:
        issuer = f"{self.root}/{name}"
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "authorization_endpoint": f"{issuer}/auth",
            "token_endpoint": f"{issuer}/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def mint(self, name: str, wanted: dict[str, Any]) -> dict[str, str]:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": f"{self.root}/{name}",
            "aud": "sigstore",
            "iat": now,
            "nbf": now - 5,
            "exp": now + 600,
        }
        more, identity = getattr(self, f"_{name}")(wanted)
        claims = {name: value for name, value in {**claims, **more, **wanted}.items() if value is not None}
        head = b64(json.dumps({"alg": "RS256", "typ": "JWT", "kid": self.jwk["kid"]}).encode())
        body = f"{head}.{b64(json.dumps(claims).encode())}"
        signature = self.key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
        return {"token": f"{body}.{b64(signature)}", "issuer": claims["iss"], "identity": identity}

    def _email(self, wanted: dict[str, Any]) -> tuple[dict[str, Any], str]:
        email = wanted.get("email", "dev@example.test")
        return {"email": email, "email_verified": True, "sub": email}, email

    def _github(self, wanted: dict[str, Any]) -> tuple[dict[str, Any], str]:
        repository, ref = wanted.get("repository", "acme/app"), wanted.get("ref", "refs/heads/main")
        sha, workflow = wanted.get("sha", "0" * 40), wanted.get("workflow", "release")
        at = wanted.get("workflow_ref", f"{repository}/.github/workflows/{workflow}.yml@{ref}")
        job = wanted.get("job_workflow_ref", at)
        claims = {
            "repository": repository,
            "repository_owner": repository.split("/")[0],
            "repository_id": "1001",
            "repository_owner_id": "2002",
            "repository_visibility": "public",
            "ref": ref,
            "ref_type": "branch",
            "sha": sha,
            "workflow": workflow,
            "workflow_ref": at,
            "workflow_sha": sha,
            "job_workflow_ref": job,
            "job_workflow_sha": sha,
            "event_name": "push",
            "run_id": "3003",
            "run_attempt": "1",
            "runner_environment": "github-hosted",
            "sub": f"repo:{repository}:ref:{ref}",
        }
        return claims, f"https://github.com/{job}"

    def _uri(self, wanted: dict[str, Any]) -> tuple[dict[str, Any], str]:
        subject = wanted.get("sub", f"{self.root}/workload/one")
        return {"sub": subject}, subject

    def _chainguard(self, wanted: dict[str, Any]) -> tuple[dict[str, Any], str]:
        subject = wanted.get("sub", "0" * 40 + "/" + "1" * 16)
        group = subject.split("/")[0]
        actor = {"iss": f"{self.root}/chainguard/", "sub": f"catalog-syncer:{group}", "aud": "chainguard"}
        claims = {"sub": subject, "act": actor, "internal": {"service-principal": "CATALOG_SYNCER"}}
        return claims, f"{self.root}/chainguard/{subject}"


def handler(issuer: Issuer) -> type[Handler]:
    class Tokens(Handler):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            name, _, rest = self.path.strip("/").partition("/")
            if self.path == "/healthz":
                self.answer({"ok": True})
            elif rest == ".well-known/openid-configuration":
                self.answer(issuer.discovery(name))
            elif rest == "jwks":
                self.answer({"keys": [issuer.jwk]})
            else:
                self.answer({"error": "not found"}, 404)

        def do_POST(self) -> None:  # noqa: N802
            name, _, rest = self.path.strip("/").partition("/")
            if rest == "token" and hasattr(issuer, f"_{name}"):
                self.answer(issuer.mint(name, self.body()))
            else:
                self.answer({"error": "not found"}, 404)

    return Tokens


if __name__ == "__main__":
    serve(handler(Issuer(Path(sys.argv[1]), int(sys.argv[2]))), int(sys.argv[2]))
