"""Whose a message is: by its topic, and by the home that it names itself.

A partition hears the lots that its cameras are in, where other partitions' cameras may be, too;
what is of none of its homes is refused.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from har_stream.mqtt.topics import Topics


class NotOursError(Exception):
    """A message is of no home of the partition, or of another than its camera's."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a message goes.

    Attributes:
        homes: To which homes.
        kind: What it is: ``event``, ``activity``, ``replay``, ``availability``, ``context``, or
            the name of a request.
    """

    homes: Sequence[str]
    kind: str


class HomeRoutes:
    """Tells whose a message is.

    Args:
        topics: The names of topics.
        homes: By home, its cameras as pairs of lot and name.
    """

    def __init__(self, topics: Topics, homes: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        self._topics = topics
        self._homes = homes
        self._home_of = {camera: home for home, cameras in homes.items() for camera in cameras}
        of_lots: dict[str, dict[str, None]] = defaultdict(dict)
        for (lot, _), home in self._home_of.items():
            of_lots[lot][home] = None
        self._of_lots = {lot: tuple(found) for lot, found in of_lots.items()}

    def filters(self) -> Iterator[tuple[str, bool]]:
        """Yield what is to be subscribed to, and whether also to what is retained there."""
        topics = self._topics
        for lot in self._of_lots:
            yield topics.camera(lot, "+", "event"), True
            yield topics.camera(lot, "+", "activity"), True
            yield topics.node(lot, "availability"), True
            yield topics.node(lot, "bridge", "response", "replay"), True
        yield topics.home("+", "context", "+", "set"), True
        yield topics.home("+", "bridge", "request", "+"), False

    def route(self, topic: str, payload: bytes) -> Route:
        """Return where a message goes.

        Raises:
            NotOursError: It is of no home of ours.
        """
        match self._topics.split(topic):
            case ("home", home, "context", _, "set"):
                return self._to_home(home, "context")
            case ("home", home, "bridge", "request", name):
                return self._to_home(home, name)
            case (lot, "availability"):
                return Route(self._of_lots.get(lot, ()), "availability")
            case (lot, "bridge", "response", "replay"):
                answer = _read(payload).get("data")
                camera = answer.get("camera") if isinstance(answer, dict) else None
                if camera is None:  # a refusal, which names no camera
                    return Route((), "replay")
                return self._to_home(self._home_of_camera(lot, str(camera)), "replay")
            case (lot, camera, kind):
                return self._to_home(self._home_of_camera(lot, camera, payload), kind)
        raise NotOursError(f"nobody listens on {topic}")

    def _to_home(self, home: str, kind: str) -> Route:
        if home not in self._homes:
            raise NotOursError(f"home {home!r:.80} is not ours")
        return Route((home,), kind)

    def _home_of_camera(self, lot: str, camera: str, payload: bytes = b"") -> str:
        home = self._home_of.get((lot, camera))
        if home is None:
            raise NotOursError(f"camera {lot}/{camera!r:.80} is of no home of ours")
        said = _read(payload).get("home") if payload else None
        if said not in (None, home):
            raise NotOursError(f"camera {lot}/{camera} is of home {home}, and names {said!r:.80}")
        return home


def _read(payload: bytes) -> dict[str, object]:
    """Read what a message is about; its reader judges later whether it makes sense."""
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
