"""Whose a message is: by its topic and by the home that it names; another's is refused."""

import json

import pytest

from fleet.partitions.home_routes import HomeRoutes, NotOursError, Route
from har_stream.mqtt.topics import Topics

HOMES = {"h1": [("city-1", "c1"), ("city-2", "c2")], "h2": [("city-1", "c3")]}
ROUTES = HomeRoutes(Topics(), HOMES)
REPLAY = json.dumps({"data": {"camera": "c3"}}).encode()


@pytest.mark.parametrize(
    ("topic", "payload", "homes", "kind"),
    [
        ("har/city-1/c1/event", b'{"home": "h1"}', ("h1",), "event"),
        ("har/city-1/c3/activity", b"{}", ("h2",), "activity"),
        ("har/city-1/c3/event", b"no JSON", ("h2",), "event"),
        ("har/city-1/bridge/response/replay", REPLAY, ("h2",), "replay"),
        ("har/city-1/bridge/response/replay", b'{"status": "error"}', (), "replay"),
        ("har/city-1/availability", b"online", ("h1", "h2"), "availability"),
        ("har/city-2/availability", b"online", ("h1",), "availability"),
        ("har/home/h2/context/guests/set", b"1", ("h2",), "context"),
        ("har/home/h1/bridge/request/correct", b"{}", ("h1",), "correct"),
    ],
)
def test_a_message_goes_to_its_homes(
    topic: str, payload: bytes, homes: tuple[str, ...], kind: str
) -> None:
    assert ROUTES.route(topic, payload) == Route(homes, kind)


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("har/city-1/c1/event", b'{"home": "h2"}', "is of home h1, and names 'h2'"),
        ("har/city-1/c1/event", b'{"home": "h9"}', "is of home h1, and names 'h9'"),
        ("har/city-1/c9/event", b"{}", "camera city-1/'c9' is of no home of ours"),
        ("har/city-2/c3/activity", b"{}", "is of no home of ours"),
        ("har/city-2/bridge/response/replay", REPLAY, "is of no home of ours"),
        ("har/home/h9/bridge/request/correct", b"{}", "home 'h9' is not ours"),
        ("har/home/h9/context/guests/set", b"1", "home 'h9' is not ours"),
        ("else/where", b"", "nobody listens"),
    ],
)
def test_what_is_of_no_home_of_ours_is_refused(topic: str, payload: bytes, why: str) -> None:
    with pytest.raises(NotOursError, match=why):
        ROUTES.route(topic, payload)


def test_it_listens_to_its_lots_alone() -> None:
    filters = dict(ROUTES.filters())
    assert {topic.split("/")[1] for topic in filters} == {"city-1", "city-2", "home"}
    assert not filters["har/home/+/bridge/request/+"], "an old request is not answered again"
