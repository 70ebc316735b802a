"""What the pages show of a home, and what they ask for."""

from collections.abc import Iterator
from datetime import timedelta
from html import escape
from pathlib import Path

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient
from support.broker.real_broker import Listener, Mosquitto, listening
from support.event_builder import EIGHT, event
from support.processes.home_page import ORIGIN, page_of, wait_for, write_journal

from har_stream.mqtt.messages import (
    ActivityState,
    FallState,
    Forecast,
    Likely,
    NextStart,
    NodeStats,
    Unusual,
    UnusualFinding,
)
from har_stream.mqtt.requests import (
    AcknowledgeRequest,
    BridgeResponse,
    CorrectionRequest,
    UndoRequest,
)
from page.web.app import Site
from predictor.journal.database import sqlite_url
from predictor.journal.journal import Journal

NOW = EIGHT + timedelta(days=2, hours=3)
STATE = ActivityState(activity="cooking", confidence=0.91, since=NOW, at=NOW, room="kitchen")
FORECAST = Forecast(
    at=NOW,
    activity=Likely(label="cooking", probability=0.9),
    next=[("eating", 0.7), ("unknown", 0.2), ("sleeping", 0.1)],
    next_room=[],
    next_start=NextStart(p10_s=300, p50_s=900, p90_s=2400, p50_at=NOW + timedelta(minutes=15)),
    within={"15min": {"eating": 0.41}, "60min": {"eating": 0.9}, "180min": {"eating": 0.97}},
    sequence=["eating", "relaxing"],
    model="dbn",
    training_days=3,
    enough_data=False,
)


@pytest.fixture(scope="module")
def lived_in(
    broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TestClient, Site, Listener]]:
    """The page of a home with three days in its journal."""
    folder = tmp_path_factory.mktemp("state")
    write_journal(folder)
    with listening(broker.port, "har/#") as listener:
        for topic, said in (
            ("n1/cam1/activity", STATE),
            ("home/h1/forecast", FORECAST),
        ):
            listener.publish(f"har/{topic}", said.encode(), retain=True)
        for topic in ("n1/availability", "n1/cam1/availability", "home/h1/availability"):
            listener.publish(f"har/{topic}", "online", retain=True)
        with page_of(broker.url, folder) as (browser, site):
            wait_for(site, lambda: site.link.home.activity() and site.link.home.has_forecaster)
            wait_for(site, lambda: site.link.home.forecast)
            yield browser, site, listener


Lived = tuple[TestClient, Site, Listener]


def test_the_first_page_says_what_goes_on_and_what_comes_next(lived_in: Lived) -> None:
    html = lived_in[0].get("/").text
    assert "cooking" in html and "since 11:00" in html and "kitchen" in html and "91" in html
    assert "about 11:15; in 8 of 10 cases between 11:05 and 11:40" in html
    assert "What then: relaxing" in html
    assert "Days that it has learnt from so far: 3" in html
    assert html.count('class="bar"') == 3  # a row for each day of which something is known
    assert "har-forecast is not running" not in html


def test_the_first_page_is_not_drawn_again_where_nothing_has_changed(
    lived_in: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, site, _ = lived_in
    shown, drawn, draw = browser.get("/").text, [], site.drawing.part
    monkeypatch.setattr(
        site.drawing, "part", lambda name, reader: drawn.append(name) or draw(name, reader)
    )
    assert browser.get("/").text == shown
    assert drawn == []
    site.updates.tell("journal")
    assert browser.get("/").text == shown
    assert set(drawn) == {"today", "days", "start"}


def test_in_german_it_says_it_in_german_and_in_american_with_twelve_hours(
    lived_in: Lived,
) -> None:
    browser = lived_in[0]
    german = browser.get("/", headers={"Accept-Language": "de-AT,de;q=0.9"}).text
    assert '<html lang="de"' in german
    assert "Kochen" in german and "seit 11:00" in german
    american = browser.get("/", headers={"Accept-Language": "en-US"}).text
    assert "since 11:00\N{NARROW NO-BREAK SPACE}AM" in american


def test_any_day_and_hour_is_one_address_away(lived_in: Lived) -> None:
    browser = lived_in[0]
    day = browser.get("/day?date=2026-01-05").text
    assert "5 January 2026" in day
    assert "08:31\N{EN DASH}08:59" in day
    assert "00:00\N{HORIZONTAL ELLIPSIS}" in day, "what goes on after midnight"
    assert "\N{EN DASH}now" not in day and "&amp;end=2026-01-06T00%3A00" in day
    assert "/correct?node=n1" in day
    some = browser.get("/day?date=2026-01-05&hour=16&hours=6").text
    assert some.count("/correct?node=n1") < day.count("/correct?node=n1")


@pytest.mark.parametrize(
    "query", ["date=yesterday", "date=2026-13-01", "date=9999-12-31", "hour=x", "hour=99"]
)
def test_what_is_no_day_is_refused_in_words(query: str, lived_in: Lived) -> None:
    answer = lived_in[0].get(f"/day?{query}")
    assert answer.status_code == 400
    assert "There is no such day." in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "start=0001-01-01T00:00:00%2B14:00",
        "start=9999-12-31T23:59:59-12:00&end=9999-12-31T23:59:59-12:00",
        "start=2026-01-05T08:00",
        "start=soon",
    ],
)
def test_what_is_no_time_is_refused_in_words(query: str, lived_in: Lived) -> None:
    answer = lived_in[0].get(f"/correct?node=n1&camera=cam1&{query}")
    assert answer.status_code == 400
    assert "This is no date and time" in answer.text
    form = {"whose": "n1/cam1", "start": "0001-01-01T00:00", "end": "9999-12-31T23:59"}
    assert lived_in[0].post("/correct", data=form, headers=ORIGIN).status_code == 400


def test_no_question_however_odd_is_an_error_or_leads_to_a_file(tmp_path: Path) -> None:
    write_journal(tmp_path, days=1)
    names = ["date", "hour", "hours", "node", "camera", "start", "end", "from", "clip"]
    with page_of("mqtt://127.0.0.1:1", tmp_path) as (browser, site):
        for route in site.routes():
            if isinstance(route, Route) and "GET" in (route.methods or ()):
                if route.path == "/events":
                    continue  # it has no end
                for value in ("", "../../etc/passwd", "\x00", "9" * 30, "n1", "-1", "é"):
                    one_by_one = names if route.path in ("/day", "/correct") else ()
                    for asked in (names, *([name] for name in one_by_one)):
                        answer = browser.get(route.path, params=dict.fromkeys(asked, value))
                        assert answer.status_code in (200, 303, 400, 404), (route.path, asked)
                        assert "root:" not in answer.text


def test_a_home_with_fifty_labels_in_any_script_is_shown(broker: Mosquitto, tmp_path: Path) -> None:
    """A label is text, also where it holds markup, or is long."""
    labels = [f"活動{n}" for n in range(48)] + ["<img src=x>" + "o" * 40, "قراءة"]
    events = [
        event(activity=label, minute=n, seq=n + 1, event_type="activity_changed")
        for n, label in enumerate(labels)
    ]
    with Journal(sqlite_url(tmp_path / "journal.db")) as journal:
        journal.record_all(events, received_at=events[-1].started_at)
    with page_of(broker.url, tmp_path) as (browser, site):
        wait_for(site, lambda: site.link.home.forecast)
        day = browser.get("/day?date=2026-01-05").text
        correction = browser.get("/correct?node=n1&camera=cam1").text
    assert all(escape(label).replace("_", " ") in day for label in labels)
    assert "<img" not in day
    assert correction.count('name="activity"') >= 50


def test_labels_are_text_whatever_they_hold(lived_in: Lived) -> None:
    browser, site, listener = lived_in
    wicked = STATE.model_copy(update={"activity": '<script>alert("x")</script>', "room": "<b>"})
    listener.publish("har/n1/wicked/availability", "online", retain=True)
    listener.publish("har/n1/wicked/activity", wicked.encode(), retain=True)
    wait_for(site, lambda: ("n1", "wicked") in site.link.home.cameras)
    html = browser.get("/").text
    assert "<script>alert" not in html and "<b>" not in html
    for topic in ("activity", "availability"):
        listener.publish(f"har/n1/wicked/{topic}", "", retain=True)


def test_the_first_steps_lead_to_the_first_event(
    broker: Mosquitto, tmp_path: Path, lived_in: Lived
) -> None:
    assert "First steps" not in lived_in[0].get("/").text
    with page_of(broker.url, tmp_path) as (browser, site):
        wait_for(site, lambda: site.link.home.cameras and site.link.home.has_forecaster)
        html = browser.get("/").text
    steps = html[html.index("First steps") :]
    assert "har-stream --list-cameras" not in steps, "a camera is watched already"
    assert steps.count("done:") == 3
    assert "Walk past the camera" in steps


def test_what_is_unusual_stands_on_top_in_words(lived_in: Lived) -> None:
    browser, site, listener = lived_in
    kinds = ("not_yet", "too_long", "at_odd_hour", "quiet")
    findings = [
        UnusualFinding(kind=kind, activity="eating", probability=0.001, since=NOW, words="-")
        for kind in kinds
    ]
    unusual = Unusual(
        at=NOW,
        findings=findings,
        learning=True,
        days=40,
        per_month=1.0,
        past_days=33,
        past_days_told=1,
    )
    listener.publish("har/home/h1/unusual", unusual.encode())
    wait_for(site, lambda: site.link.home.unusual)
    html = browser.get("/").text
    for said in (
        "eating has not begun yet; it usually has by 11:00",
        "eating since 11:00, for longer than usual",
        "eating at 11:00, when it seldom begins",
        "Nothing seen since 11:00, for longer than usual; last was eating",
    ):
        assert said in html
    assert html.count("/unusual/ack") == 4
    form = {"kind": "quiet", "activity": "eating", "since": NOW.isoformat()}
    assert browser.post("/unusual/ack", data={"kind": "x"}, headers=ORIGIN).status_code == 400

    def answer(forecaster: Listener, message: object) -> None:
        asked = AcknowledgeRequest.decode(message.payload)  # type: ignore[attr-defined]
        assert (asked.kind, asked.activity, asked.since) == ("quiet", "eating", NOW)
        said = BridgeResponse(status="ok", transaction=asked.transaction).encode()
        forecaster.client.publish("har/home/h1/bridge/response/acknowledge", said, qos=1)

    request = "har/home/h1/bridge/request/acknowledge"
    forecaster = Listener(listener.port, request, on_message=answer)
    assert browser.post("/unusual/ack", data=form, headers=ORIGIN).status_code == 303
    forecaster.close()
    known = [each.model_copy(update={"acknowledged": True}) for each in findings]
    listener.publish("har/home/h1/unusual", unusual.model_copy(update={"findings": known}).encode())
    wait_for(site, lambda: site.link.home.unusual.findings[0].acknowledged)
    assert "Unusual:" not in browser.get("/").text


def test_a_fall_stands_on_top_until_somebody_knows_of_it(lived_in: Lived) -> None:
    browser, site, listener = lived_in
    fall = FallState(alarm=True, stage="long_lie", since=NOW, at=NOW, room="bathroom")
    listener.publish("har/n1/cam1/fall", fall.encode())
    wait_for(site, lambda: site.link.home.falls())
    html = browser.get("/").text
    assert html.index("Somebody fell and has been lying there") < html.index("<h2>Now</h2>")
    form = {"node": "n1", "camera": "cam1"}
    assert browser.post("/fall/ack", data=form, headers=ORIGIN).status_code == 303
    listener.wait_for(lambda _: listener.on("har/n1/cam1/fall/ack"))
    unknown = browser.post("/fall/ack", data={"node": "+", "camera": "#"}, headers=ORIGIN)
    assert unknown.status_code == 400
    up = fall.model_copy(update={"alarm": False, "stage": "got_up"})
    listener.publish("har/n1/cam1/fall", up.encode())
    wait_for(site, lambda: not site.link.home.falls())


def test_a_camera_is_switched_off_and_its_node_is_told(lived_in: Lived) -> None:
    browser, site, listener = lived_in
    stats = NodeStats(
        fps_in=24.5, processed=1, dropped=0, latency_p50_ms=12.4, latency_p95_ms=20,
        reconnects_per_h=0.5, stalls_per_h=0, outbox_depth=0,
    )  # fmt: skip
    listener.publish("har/n1/stats", stats.encode())
    wait_for(site, lambda: site.link.home.stats)
    html = browser.get("/cameras").text
    assert "cam1" in html and "24.5" in html and "12 ms" in html and "there" in html
    form = {"node": "n1", "camera": "cam1", "switch": "off"}
    assert browser.post("/cameras", data=form, headers=ORIGIN).status_code == 303
    listener.wait_for(lambda _: listener.on("har/n1/cam1/enabled/set") == [b"OFF"])
    listener.publish("har/n1/cam1/enabled/state", "OFF", retain=True)
    wait_for(site, lambda: not site.link.home.cameras["n1", "cam1"].is_enabled)
    assert "Switch cam1 on" in browser.get("/cameras").text
    listener.publish("har/n1/cam1/enabled/state", "ON", retain=True)
    unknown = form | {"camera": "cam1/+"}
    assert browser.post("/cameras", data=unknown, headers=ORIGIN).status_code == 400


def test_a_correction_is_asked_of_the_forecaster_and_its_refusal_is_shown(
    lived_in: Lived, broker: Mosquitto
) -> None:
    browser, _, _ = lived_in
    page = browser.get("/day?date=2026-01-05").text
    link = page.split('href="/correct?node')[1].split('"')[0].replace("&amp;", "&")
    form = browser.get(f"/correct?node{link}").text
    exact = form.split('name="start_exact" value="')[1].split('"')[0]
    shown = form.split('name="start_shown" value="')[1].split('"')[0]
    asked: list[CorrectionRequest | UndoRequest] = []

    def answer(listener: Listener, message: object) -> None:
        topic, payload = message.topic, message.payload  # type: ignore[attr-defined]
        kind = CorrectionRequest if topic.endswith("correct") else UndoRequest
        request = kind.decode(payload)
        asked.append(request)
        status = "error" if request.id == "refused" else "ok"
        said = BridgeResponse(status=status, error="no such", transaction=request.transaction)
        listener.client.publish(topic.replace("request", "response"), said.encode(), qos=1)

    forecaster = Listener(broker.port, "har/home/h1/bridge/request/+", on_message=answer)
    try:
        fields = {
            "whose": "n1/cam1",
            "start": shown,
            "start_shown": shown,
            "start_exact": exact,
            "end": "2026-01-05T09:00",
            "activity": "washing_up",
        }
        corrected = browser.post("/correct", data=fields, headers=ORIGIN)
        assert corrected.status_code == 303, corrected.text
        assert corrected.headers["location"] == "/day?date=2026-01-05"
        (request,) = asked
        assert isinstance(request, CorrectionRequest)
        assert request.started_at.isoformat() == exact
        assert request.ended_at.isoformat() == "2026-01-05T09:00:00+01:00"
        assert (request.node, request.camera) == ("n1", "cam1")
        assert request.activity == "washing_up"
        undo = {"id": "refused", "node": "n1", "camera": "cam1", "date": "2026-01-05"}
        refused = browser.post("/undo", data=undo, headers=ORIGIN)
        assert refused.status_code == 409
        assert "no such" in refused.text
    finally:
        forecaster.close()


def test_an_empty_home_says_what_to_do(make_mosquitto: object, tmp_path: Path) -> None:
    empty = make_mosquitto()  # type: ignore[operator]
    with page_of(empty.url, tmp_path) as (browser, _):
        html = browser.get("/").text
        assert "har-stream --camera 0 --home h1" in html
        assert "har-forecast --home h1" in html
        assert "The journal cannot be read" not in html, "there is none yet, which is no fault"
        day = browser.get("/day")
        assert day.status_code == 503
        assert "Nothing is remembered yet" in day.text
        assert "har-stream --camera 0 --keep-clips --home h1" in browser.get("/teach").text
        assert "lived through anew" in browser.get("/report").text
        assert not (tmp_path / "journal.db").exists()


def test_a_broker_that_is_away_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    write_journal(tmp_path)
    with page_of("mqtt://127.0.0.1:1", tmp_path) as (browser, _):
        html = browser.get("/").text
        assert "The broker mqtt://127.0.0.1:1 does not answer" in html
        assert "/correct?node=n1" in browser.get("/day?date=2026-01-05").text
        form = {"node": "n1", "camera": "cam1"}
        assert browser.post("/fall/ack", data=form, headers=ORIGIN).status_code == 400
