"""Anchors: their ids tell every demand apart, and a key without further demands is its own id."""

from preverify.model.anchors import (
    Action,
    KeyAnchor,
    KeylessAnchor,
    Log,
    NotationAnchor,
    NotationStatement,
    Stamps,
)
from preverify.model.keys import TrustedKey

KEY = TrustedKey(b"spki")


def test_a_bare_key_is_its_own_anchor() -> None:
    assert KeyAnchor(key=KEY).id == KEY.id
    assert KeyAnchor(key=KEY).trusts == ()


def test_every_demand_makes_another_anchor() -> None:
    keys = [
        KeyAnchor(key=KEY),
        KeyAnchor(key=KEY, log=Log.REQUIRED, root="root:a"),
        KeyAnchor(key=KEY, log=Log.REQUIRED, root="root:b"),
        KeyAnchor(key=KEY, stamps=Stamps.REQUIRED, root="root:a"),
        KeyAnchor(key=KEY, log=Log.REQUIRED, stamps=Stamps.ACCEPTED, root="root:a"),
    ]
    keyless = [
        KeylessAnchor(root="root:a"),
        KeylessAnchor(root="root:b"),
        KeylessAnchor(root="root:a", log=Log.NONE),
        KeylessAnchor(root="root:a", stamps=Stamps.NONE),
        KeylessAnchor(root="root:a", sct=False),
    ]
    statements = [
        NotationStatement(name="p", stores=("store:a",)),
        NotationStatement(name="p", stores=("store:b",)),
        NotationStatement(name="p", stores=("store:a",), skip=True),
        NotationStatement(name="p", stores=("store:a",), authenticity=Action.LOG),
        NotationStatement(name="p", stores=("store:a",), authentic_timestamp=Action.LOG),
        NotationStatement(name="p", stores=("store:a",), expiry=Action.LOG),
        NotationStatement(name="p", stores=("store:a",), revocation=Action.SKIP),
        NotationStatement(name="p", stores=("store:a",), after_expiry_only=True),
        NotationStatement(name="p", stores=("store:a",), identities=((("C", "US"),),)),
        NotationStatement(name="p", stores=("store:a",), scopes=("registry.test/a",)),
    ]
    anchors = [*keys, *keyless, *(NotationAnchor(statements=(each,)) for each in statements)]
    assert len({each.id for each in anchors}) == len(anchors)
    assert keys[1].trusts == ("root:a",)
    assert keyless[1].trusts == ("root:b",)
    assert NotationAnchor(statements=(statements[0], statements[1], statements[2])).trusts == ("store:a", "store:b")


def test_a_statement_comes_back_from_its_canonical_form() -> None:
    for identities in (None, ((("C", "US"), ("O", "acme")),)):
        statement = NotationStatement(
            name="p",
            scopes=("registry.test/a", "registry.test/b"),
            authenticity=Action.ENFORCE,
            expiry=Action.LOG,
            revocation=Action.SKIP,
            after_expiry_only=True,
            stores=("store:a",),
            identities=identities,
        )
        assert NotationStatement.from_canonical(statement.canonical()) == statement


def test_an_exact_scope_goes_before_the_one_for_all() -> None:
    every = NotationStatement(name="all")
    one = NotationStatement(name="one", scopes=("registry.test/a",))
    anchor = NotationAnchor(statements=(every, one))
    assert anchor.statement_for("registry.test/a") is one
    assert anchor.statement_for("registry.test/b") is every
    assert NotationAnchor(statements=(one,)).statement_for("registry.test/b") is None
