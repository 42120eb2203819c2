"""RT-48: while policies are swapped under load, every reply is of exactly one generation and never admits wrongly."""

import json
import threading
from pathlib import Path
from typing import Any

from preverify.admission import batch, validate
from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState
from preverify.serve.answers import Answering
from preverify.serve.http import Request
from preverify.serve.misses import Misses
from preverify.serve.sources import Sources
from support.answering import GOOD, IMAGE, NEW, Seen, running, settings_in


def test_no_reply_mixes_generations_while_policies_are_swapped(tmp_path: Path) -> None:
    items = [{"digest": GOOD, "image": IMAGE}, {"digest": NEW, "image": IMAGE}] * 20
    body = json.dumps({"items": items}).encode()
    seen: set[int] = set()
    with running(settings_in(tmp_path)) as server:
        stop = threading.Event()

        def swap() -> None:
            while not stop.wait(0.002):
                server.table.activate()  # the verdict of the generation before does not count any more

        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            for _ in range(60):
                reply = server.ask("POST", "/v1/lookup:batch", body)
                if reply.status == 503:
                    continue  # it could not be answered under one generation, and says so
                generations = {item["generation"] for item in reply.json["items"]}
                assert len(generations) == 1
                seen |= generations
                if generations != {1}:
                    assert reply.json["admit"] is False
        finally:
            stop.set()
            swapper.join(10)
    assert len(seen) > 1


class Restless:
    """A table whose generation is another one at every read."""

    def __init__(self) -> None:
        self.generation = 0

    def lookup(self, digest: Digest, image: Repository | None, namespace: str | None) -> Answer:
        self.generation += 1
        return Answer(
            state=AnswerState.VERIFIED,
            admit=True,
            enforced=True,
            generation=self.generation,
            image=str(image),
            digest=str(digest),
        )

    def reference(self, text: str, namespace: str | None) -> Answer:
        return self.lookup(Digest.parse(GOOD), Repository.parse(IMAGE), namespace)


async def handled(front: Any, path: str, body: bytes) -> Any:
    seen = Seen()
    misses = Misses(Sources({}), lambda _: True, SystemClock(), seen)
    handler = Answering(front, Restless(), misses, seen, SystemClock())
    return await handler.handle(Request(method="POST", path=path, body=body))


async def _both() -> None:
    items = json.dumps({"items": [{"digest": GOOD, "image": IMAGE}] * 2}).encode()
    assert (await handled(batch, "/v1/lookup:batch", items)).status == 503
    review = (Path(__file__).parents[1] / "vectors" / "admission" / "pod-create.json").read_bytes()
    reply = await handled(validate, "/k8s/validate", review)
    assert json.loads(reply.body)["response"]["allowed"] is False


def test_a_table_that_never_stands_still_admits_nothing() -> None:
    import asyncio

    asyncio.run(_both())
