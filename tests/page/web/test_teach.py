"""Clips are shown, named, deleted and recorded on the page, by requests to who keeps them."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from starlette.testclient import TestClient
from support.broker.real_broker import Mosquitto
from support.processes.home_page import ORIGIN, page_of, wait_for
from support.processes.teaching_node import teaching_node

from har_stream.config.state_dir import pictures_file
from har_stream.core.frame import Frame
from har_stream.mqtt.messages import Skeleton
from har_stream.preview.clip_folder import ClipFolder, name_clip
from har_stream.preview.clip_keeper import ClipKeeper
from har_stream.preview.picture_server import PictureServer
from page.now.home_link import SEEN_S
from page.teaching.learning import LearningProgress, TaughtOutcome
from page.web.app import Site

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
Teaching = tuple[TestClient, Site, ClipFolder, ClipKeeper]


@pytest.fixture(scope="module")
def teaching(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teaching]:
    """The page of a home whose node keeps clips."""
    state_dir = tmp_path_factory.mktemp("state")
    with (
        teaching_node(broker.url, state_dir) as (folder, keeper),
        page_of(broker.url, state_dir) as (browser, site),
    ):
        wait_for(site, lambda: site.link.home.nodes.get("n1") and site.link.home.cameras)
        yield browser, site, folder, keeper


@pytest.fixture
def clip(teaching: Teaching) -> Iterator[str]:
    """A clip of noon that nobody has named; its name."""
    folder = teaching[2]
    path = folder.unlabelled_file(name_clip(NOON, "cam1", "unsure"))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"a film" * 100)
    yield path.stem
    folder.delete()


def test_the_page_says_what_is_kept_and_shows_it(teaching: Teaching, clip: str) -> None:
    html = teaching[0].get("/teach").text
    assert "What is kept, and who sees it" in html and "There are 1 of 500 at most" in html
    assert "it was unsure" in html and clip.replace("+", "%2B") in html
    assert "clips: 1, sessions: 1" in html, "ordinary footage is wanted, too"
    assert "lrcn-ucf" in html and "in use" in html
    address = "/teach/film"
    film = teaching[0].get(
        address, params={"node": "n1", "clip": clip}, headers={"Range": "bytes=0-5"}
    )
    assert (film.status_code, film.content, film.headers["content-type"]) == (
        206,
        b"a film",
        "video/mp4",
    )
    for node, name in (("n1", "x"), ("../n1", clip), ("n1", "../../journal")):
        assert teaching[0].get(address, params={"node": node, "clip": name}).status_code == 404


def test_a_clip_is_named_and_deleted(teaching: Teaching, clip: str) -> None:
    browser, _, folder, _ = teaching
    form = {"node": "n1", "clip": clip, "label": "", "other": "ironing"}
    assert browser.post("/teach/label", data=form, headers=ORIGIN).status_code == 303
    assert [each.label for each in folder.clips()] == ["ironing"]
    assert "ironing" in browser.get("/teach").text
    refused = browser.post("/teach/label", data=form | {"other": "a/b"}, headers=ORIGIN)
    assert refused.status_code == 409 and "is no name of an activity" in refused.text
    assert browser.post("/teach/delete", data={"node": "n1"}, headers=ORIGIN).status_code == 400
    gone = browser.post("/teach/delete", data={"node": "n1", "clip": clip}, headers=ORIGIN)
    assert gone.status_code == 303
    assert folder.clips() == []


def test_a_correction_names_the_clips_of_its_stretch(teaching: Teaching, clip: str) -> None:
    _, site, folder, _ = teaching
    camera, minute = ("n1", "cam1"), timedelta(minutes=1)
    site.teach.label_corrected(camera, "ironing", NOON + minute, NOON + 2 * minute)
    assert [each.label for each in folder.clips()] == [None]
    site.teach.label_corrected(camera, "ironing", NOON - minute, NOON + minute)
    assert [each.label for each in folder.clips()] == ["ironing"]
    site.teach.label_corrected(("n2", "cam1"), "ironing", NOON, NOON + minute)  # nobody is there


def test_nothing_is_recorded_before_everybody_has_agreed(teaching: Teaching) -> None:
    browser, _, _, keeper = teaching
    keeper.show("cam1", Frame(np.zeros((36, 64, 3), np.uint8), NOON))
    form = {"node": "n1", "camera": "cam1", "label": "ironing", "seconds": "30"}
    refused = browser.post("/teach/record", data=form, headers=ORIGIN)
    assert refused.status_code == 400 and keeper.recordings() == {}
    form |= {"agreed": "yes"}
    assert browser.post("/teach/record", data=form, headers=ORIGIN).status_code == 303
    assert keeper.recordings()["cam1"].label == "ironing"
    assert "cam1 records ironing until 13:00" in browser.get("/teach").text
    stop = {"node": "n1", "stop": "yes"}
    assert browser.post("/teach/record", data=stop, headers=ORIGIN).status_code == 303
    assert keeper.recordings() == {}


def test_regions_are_drawn_and_hold(teaching: Teaching, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, site, _, _ = teaching
    address = "/cameras/regions?node=n1&camera=cam1"
    assert "What cam1 sees where" in browser.get(address).text
    regions = {"bed": [[[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]]}
    form = {"node": "n1", "camera": "cam1", "regions": json.dumps(regions)}
    assert browser.post("/cameras/regions", data=form, headers=ORIGIN).status_code == 303
    html = browser.get(address).text
    assert "&#34;bed&#34;:[[[0.1,0.1],[0.5,0.1],[0.5,0.5]]]" in html
    for wrong, status in (("{", 400), ('{"bed": [[[2, 2]]]}', 400), ('{"roof": []}', 409)):
        refused = browser.post("/cameras/regions", data=form | {"regions": wrong}, headers=ORIGIN)
        assert refused.status_code == status
    skeleton = "/cameras/skeleton?node=n1&camera=cam1"
    assert browser.get(skeleton).json() == {"points": []}
    said = Skeleton(at=NOON, points=[(0.5, 0.5, 0.9)])
    site.link._take_skeleton("har/n1/cam1/skeleton", said.encode())
    assert browser.get(skeleton).json() == {"points": [[0.5, 0.5, 0.9]]}
    monkeypatch.setattr(site.link, "_monotonic", lambda: time.monotonic() + SEEN_S)
    assert browser.get(skeleton).json() == {"points": []}, "nobody is seen any more"
    assert browser.get("/cameras/skeleton?node=x&camera=y").status_code == 400


def test_a_picture_is_shown_only_while_the_node_gives_some(teaching: Teaching) -> None:
    browser, _, folder, _ = teaching
    address = "/cameras/picture?node=n1&camera=cam1"
    assert browser.get(address).status_code == 404
    assert "data-picture" not in browser.get("/cameras/regions?node=n1&camera=cam1").text
    over = threading.Event()
    frame = Frame(np.zeros((36, 64, 3), np.uint8), NOON)
    with PictureServer(("cam1",), pictures_file(folder.path.parents[1], "n1")) as server:

        def film() -> None:
            while not over.wait(0.01):
                server.show("cam1", frame)

        filming = threading.Thread(target=film)
        filming.start()
        picture = browser.get(address)
        over.set()
        filming.join()
        assert "data-picture" in browser.get("/cameras/regions?node=n1&camera=cam1").text
    assert (picture.status_code, picture.content[:2]) == (200, b"\xff\xd8")
    assert browser.get(address).status_code == 404


def test_a_node_is_checked(teaching: Teaching) -> None:
    html = teaching[0].get("/cameras/check?node=n1").text
    assert "delivers" in html and "is away" in html and html.count("wrong") == 1
    assert "does not answer" in teaching[0].get("/cameras/check?node=n9").text


def test_what_was_learned_is_shown_beside_what_was_in_use(teaching: Teaching) -> None:
    browser, site, _, _ = teaching
    learning = site.teach.learning
    learning.progress = LearningProgress(bundle="taught-7", is_running=True, n_seen=2, n_clips=5)
    assert "Clips seen: 2 of 5." in browser.get("/teach").text
    outcome = TaughtOutcome(
        activities=("ironing", "tea"),
        n_clips=(3, 4),
        n_sessions=(2, 2),
        taken_for=((0, 3, 0), (1, 0, 3)),
        beside=((3, 0, 0), (4, 0, 0)),
        accuracy=0.875,
        ordinary_s=100.0,
        false_s=2.0,
    )
    learning.progress = LearningProgress(bundle="taught-7", outcome=outcome)
    html = browser.get("/teach").text
    learning.progress = LearningProgress()
    assert "What taught-7 has learned" in html and "Right for 88% of the clips" in html
    assert "Of 100 s of what is none of these, 2% would be taken for one." in html
    assert html.count("taken for ironing") == 2 and "The bundle that was in use then said" in html


def test_what_cannot_be_taught_or_used_is_said(teaching: Teaching) -> None:
    browser = teaching[0]
    refused = browser.post("/teach/learn", data={"node": "n1"}, headers=ORIGIN)
    assert refused.status_code == 409 and "No bundle there can be taught" in refused.text
    form = {"node": "n1", "bundle": "../../x"}
    refused = browser.post("/teach/use", data=form, headers=ORIGIN)
    assert refused.status_code == 409 and "no bundle" in refused.text
    assert browser.post("/teach/use", data={"node": "n9"}, headers=ORIGIN).status_code == 400
    refused = browser.get("/teach?node=n9").text
    assert "does not answer" in refused
