"""Open pages hear of what has changed, and of nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator

from page.web.updates import Updates


async def _next(stream: AsyncIterator[str]) -> dict[str, dict[str, str]]:
    said = await asyncio.wait_for(anext(stream), 5)
    assert said.startswith("data: ") and said.endswith("\n\n")
    found: dict[str, dict[str, str]] = json.loads(said[6:])
    return found


def test_only_the_parts_that_changed_are_sent() -> None:
    async def look() -> None:
        updates = Updates()
        updates.begin()
        parts = {"now": "cooking\n", "next": "eating"}
        stream = updates.stream(lambda: dict(parts), may_go_on=lambda: True)
        first = await _next(stream)
        assert {name: part["html"] for name, part in first.items()} == parts
        parts["now"] = "washing"
        updates.tell("home")
        second = await _next(stream)
        assert {name: part["html"] for name, part in second.items()} == {"now": "washing"}
        assert second["now"]["version"] != first["now"]["version"]
        assert updates.numbers == {"home": 1, "journal": 0, "fleet": 0}
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator

    asyncio.run(look())


def test_whoever_has_signed_out_hears_no_more() -> None:
    async def look() -> None:
        updates = Updates()
        updates.begin()
        may = [True]
        stream = updates.stream(lambda: {"now": "cooking"}, may_go_on=lambda: may[0])
        await _next(stream)
        may[0] = False
        updates.tell("home")
        assert [said async for said in stream] == []

    asyncio.run(look())
