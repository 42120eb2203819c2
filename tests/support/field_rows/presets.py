"""Rows of presets."""

from support.asking import ask
from support.policies import policy_set, policy_text, signature
from support.presets import ISSUER, UIDPS, answer, built, preset_set

RELEASE = "https://github.com/chainguard-images/images/.github/workflows/release.yaml@refs/heads/main"
ACTIONS = "https://token.actions.githubusercontent.com"
NPM = "sigstore/sigstore-js"
BY_KEY = [
    ask(policy_set(policy_text(f"[{{name: x, preset: {{signed-by-key: {{file: {file}, tlog: none}}}}}}]")), signature())
    for file in ("keys/release.pub", "keys/vendor.pub")
]
PUBLIC = [answer("{chainguard-public: {}}", ACTIONS, identity) for identity in (RELEASE, f"{RELEASE}2")]
SYNCED = [answer(f"{{chainguard-org: {{imageSyncer: {i}}}}}", ISSUER, f"{ISSUER}/{UIDPS[0]}") for i in UIDPS]
CUSTOM = [answer(f"{{chainguard-org: {{customImageBuilder: {i}}}}}", ISSUER, f"{ISSUER}/{UIDPS[0]}") for i in UIDPS]


def github(*parameters: str) -> tuple[object, ...]:
    return tuple(built(f"{{github-attestations: {{{each}}}}}") for each in parameters)


REPOSITORY = github(f"repository: {NPM}", "repository: sigstore/sigstore")
WORKFLOW = f"repository: {NPM}, workflow: {NPM}/.github/workflows"
ROWS = {
    "RuleSpec.preset": tuple(BY_KEY),
    "SignerSpec.preset": tuple(
        ask(
            policy_set(
                policy_text("[{name: x, signature: {by: {any: [cg]}}}]"),
                signers="apiVersion: preverify/v1\nkind: Signers\nmetadata: {name: all}\n"
                f"spec: {{cg: {{preset: {{signed-by-key: {{file: keys/{name}.pub, tlog: none}}}}}}}}\n",
            ),
            signature(),
        )
        for name in ("release", "vendor")
    ),
    "PresetSpec.chainguard_public": tuple(PUBLIC),
    "PresetSpec.chainguard_org": tuple(SYNCED),
    "PresetSpec.github_attestations": REPOSITORY,
    "PresetSpec.signed_by_key": tuple(BY_KEY),
    "ChainguardOrg.image_syncer": tuple(SYNCED),
    "ChainguardOrg.custom_image_builder": tuple(CUSTOM),
    "GithubAttestations.repository": REPOSITORY,
    "GithubAttestations.owner": github("owner: sigstore", "owner: sigstor"),
    "GithubAttestations.workflow": github(f"{WORKFLOW}/release.yml", f"{WORKFLOW}/ci.yml"),
    "GithubAttestations.ref": github(
        f"repository: {NPM}, ref: refs/heads/main", f"repository: {NPM}, ref: refs/heads/x"
    ),
    "GithubAttestations.trust": github(f"repository: {NPM}, trust: public-good", f"repository: {NPM}, trust: staging"),
    "SignedByKey.file": tuple(BY_KEY),
    "SignedByKey.tlog": tuple(
        ask(preset_set(f"{{signed-by-key: {{file: keys/release.pub, tlog: {tlog}}}}}"), signature())
        for tlog in ("none", "required")
    ),
}
