"""The page of a fleet on a real PostgreSQL: what its tables hold, for who may see it."""

import asyncio
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from support.broker.real_broker import Mosquitto
from support.processes.home_page import ORIGIN, PASSWORD, HarPage, page_of
from support.processes.postgresql import PostgreSQL, running_postgresql

from fleet.cluster import orders, overview
from fleet.cluster.overview import FleetReader
from fleet.cluster.supervisor import LotRun
from fleet.inventory.fleet import Fleet, read_fleet
from fleet.lots.lot import LotStatus
from fleet.lots.lot_tables import open_database, run
from fleet.planning.plan import Plan, make_plan
from har_stream.core.errors import InputError
from page.web import fleet as fleet_page
from page.web.app import Site

HOSTILE = "<script>alert(1)</script>"
READER = """CREATE ROLE page LOGIN;
GRANT SELECT ON fleet_status, fleet_plan, fleet_machines, fleet_pins TO page;
GRANT USAGE ON SCHEMA fleet_homes TO page; GRANT SELECT ON fleet_homes.partitions TO page"""
"""A role that may do no more than the page needs, as docs/fleet.md has it."""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def database(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Four lots, one of them nowhere, four homes, and two partitions, one of them silent."""
    engine = open_database(postgresql.url)
    fleet = _fleet_of(tmp_path_factory.mktemp("fleet"))
    well = LotStatus(n_cameras=2, n_online=2, fps=19.5, latency_ms=31.0, n_waiting=4)
    ill = LotStatus(n_cameras=2, n_online=1, away=("c3",), fps=9.5, latency_ms=44.0)
    runs = {
        "city-00001": LotRun("m1", well),
        "city-00002": LotRun("m2", ill, n_restarts=3),
        "city-00003": LotRun("m1", well.model_copy(update={"n_waiting": 101})),
        "city-00004": LotRun(),
    }
    with engine.begin() as db:
        orders.write_plan(db, fleet, make_plan(fleet, Plan()))
        orders.write_status(db, runs, dict.fromkeys(runs, 2))
        orders.drain(db, "m2", True)
        run(db, "CREATE SCHEMA fleet_homes")
        run(
            db,
            "CREATE TABLE fleet_homes.partitions AS SELECT 'city-homes-0000' || n AS partition,"
            " now() - (n - 1) * interval '1 h' AS told_at FROM generate_series(1, 2) AS n",
        )
        # As long as the tests last, what was told now is of now.
        run(db, "UPDATE fleet_status SET told_at = now() + interval '1 h'")
        run(db, "UPDATE fleet_homes.partitions SET told_at = told_at + interval '30 min'")
        run(db, READER)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def url(postgresql: PostgreSQL, database: Engine) -> str:
    return postgresql.url.replace("har@", "page@")


def _fleet_of(folder: Path) -> Fleet:
    rows = [f"c{n},h{n // 2},sim:{n}\n" for n in range(8)]
    (folder / "cameras.csv").write_text("".join(["name,home,source\n", *rows]))
    path = folder / "fleet.yaml"
    yaml = "name: city\nmachines: {m1: 9}\nlot_cameras: 2\npartition_homes: 2\n"
    path.write_text(f"{yaml}cameras_csv: cameras.csv\n")
    return read_fleet(path)


@pytest.fixture
def browser(broker: Mosquitto, url: str, tmp_path: Path) -> Iterator[TestClient]:
    with page_of(broker.url, tmp_path, fleet=url) as (browser, _):
        yield browser


def _text(browser: TestClient, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return " ".join(answer.text.split())


def test_machines_lots_and_homes_are_shown_as_the_tables_hold_them(browser: TestClient) -> None:
    html = _text(browser, "/fleet")
    assert 'href="/fleet"' in _text(browser, "/")
    assert "cameras online: 5 of 8" in html
    for state in ("waiting: 1", "silent: 1", "some away: 1", "runs: 1"):
        assert f"{state}</li>" in html
    well = "<strong>city-00001</strong><br> runs, 2 of 2 online<br> 19.5 frames/s, 31 ms<br> "
    assert f"{well}waiting: 4, restarts: 0" in html
    assert 'class="lot some-away"><strong>city-00002</strong>' in html
    assert "some away, 1 of 2 online<br> 9.5 frames/s, 44 ms<br> waiting: 0, restarts: 3" in html
    assert html.index("nowhere") < html.index("city-00004") < html.index("m1 ")
    assert html.index("city-00003") < html.index("city-00001"), "what is wrong comes first"
    assert "(is to be empty)" in html
    order = [html.index(f'<th scope="row">{home}</th>') for home in ("h3", "h2", "h1", "h0")]
    assert order == sorted(order), "silent, without a forecast, a camera away, and well"
    assert "c3, c2 (1 of 2 away)" in html


@pytest.mark.parametrize(
    ("sought", "lots", "homes"),
    [
        ("H1", {2}, {1}),
        ("c5", {3}, {2}),
        ("city-00004", {4}, {3}),
        ("m2", {2}, {1}),
        ("%", set(), set()),
        (HOSTILE, set(), set()),
    ],
)
def test_a_search_finds_homes_cameras_lots_and_machines(
    sought: str, lots: set[int], homes: set[int], browser: TestClient
) -> None:
    answer = browser.get("/fleet", params={"q": sought})
    assert {n for n in range(1, 5) if f"<strong>city-0000{n}</strong>" in answer.text} == lots
    assert {n for n in range(4) if f'scope="row">h{n}</th>' in answer.text} == homes
    assert f'value="{escape(sought)}"' in answer.text
    assert HOSTILE not in answer.text


def test_a_hostile_name_is_text(browser: TestClient, database: Engine) -> None:
    hide = "UPDATE fleet_status SET machine = :to WHERE machine = :machine"
    with database.begin() as db:
        run(db, hide, machine="m2", to=HOSTILE)
    html = browser.get("/fleet").text
    with database.begin() as db:
        run(db, hide, machine=HOSTILE, to="m2")
    assert f"<h3>{escape(HOSTILE)}" in html
    assert HOSTILE not in html


def test_further_pages_show_the_others(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (overview, fleet_page):
        monkeypatch.setattr(module, "N_HOMES", 3)
        monkeypatch.setattr(module, "N_MACHINES", 2)
    assert "page 1 of 2" in _text(browser, "/fleet")
    html = _text(browser, "/fleet?machines=2&homes=2&q=h")
    assert "<strong>city-00002</strong>" in html and "city-00001</strong>" not in html
    assert '"row">h0</th>' in html and '"row">h3</th>' not in html
    assert 'href="/fleet?q=h&amp;machines=2&amp;homes=1">back' in html
    for page in ("0", "-1", "many", "99999999"):
        assert browser.get(f"/fleet?homes={page}").status_code == 400


def test_what_was_told_long_ago_is_not_of_now(browser: TestClient, database: Engine) -> None:
    shift = "UPDATE fleet_status SET told_at = told_at + :by * interval '1 h'"
    with database.begin() as db:
        run(db, shift, by=-2)
    html = _text(browser, "/fleet")
    with database.begin() as db:
        run(db, shift, by=2)
    assert "har-fleet run has said nothing since" in html
    assert "silent: 4</li>" in html and "frames/s" not in html


def test_who_has_not_signed_in_sees_nothing_of_it(
    broker: Mosquitto, url: str, tmp_path: Path
) -> None:
    given = {"fleet": url, "root_path": "/har"}
    with page_of(broker.url, tmp_path, password=True, **given) as (browser, _):
        for path in ("/fleet", "/fleet/events", "/har/fleet?q=h0"):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/har/sign-in")
            assert browser.get(path, headers={"Accept": "*/*"}).text == "Sign in first."
        browser.post("/har/sign-in", data={"password": PASSWORD}, headers=ORIGIN)
        html = browser.get("/har/fleet").text
        assert "city-00001" in html
        assert 'data-events="/har/fleet/events?q=' in html


def test_a_database_that_is_away_is_said_and_nothing_old_is_shown(
    browser: TestClient,
    postgresql: PostgreSQL,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_page, "LOOK_S", 0.0)
    browser.headers["Accept-Language"] = "de"
    assert "city-00001" in browser.get("/fleet").text
    postgresql.stop()
    try:
        html = browser.get("/fleet").text
    finally:
        postgresql.start()
    assert "Die Datenbank der Flotte antwortet nicht" in html
    assert "city-" not in html and "h0" not in html
    assert "city-00001" in browser.get("/fleet").text


def test_tables_that_nobody_has_written_and_urls_that_are_none_are_said(
    broker: Mosquitto, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    empty = postgresql.url.replace("/postgres?", "/template1?")
    for _ in range(2):
        with page_of(broker.url, tmp_path, fleet=empty) as (browser, _site):
            assert "No har-fleet run has said anything" in browser.get("/fleet").text
        open_database(empty).dispose()  # makes the tables, as har-fleet status does
    for wrong, said in (
        ("sqlite:///x.db", "postgresql://user@host"),
        ("postgresql://u:p@h/d", "pass"),
    ):
        with pytest.raises(InputError, match=said), page_of(broker.url, tmp_path, fleet=wrong):
            pass


def test_an_open_page_hears_of_what_has_changed_alone(
    broker: Mosquitto,
    url: str,
    database: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_page, "LOOK_S", 0.05)
    count = "UPDATE fleet_status SET restarts = restarts + :by"

    async def look(site: Site) -> None:
        page = fleet_page.FleetPage(FleetReader(url), site.drawing, site.sign_in)
        watching = asyncio.create_task(page.watch())
        scope = {"type": "http", "headers": [], "query_string": b"q=m2", "page_prefix": ""}
        answer = await page.send_events(Request(scope))
        assert isinstance(answer, StreamingResponse)
        stream = aiter(answer.body_iterator)
        first = json.loads(str(await anext(stream)).removeprefix("data: "))
        assert [*first] == ["fleet", "machines", "homes"]
        with database.begin() as db:
            run(db, count, by=7)
        second = json.loads(str(await asyncio.wait_for(anext(stream), 10)).removeprefix("data: "))
        with database.begin() as db:
            run(db, count, by=-7)
        assert [*second] == ["machines"]
        assert "restarts: 10" in second["machines"]["html"]
        watching.cancel()
        await asyncio.wait([watching])

    with page_of(broker.url, tmp_path) as (_, site):
        asyncio.run(look(site))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_page_follows_and_fits_a_small_screen(
    scheme: Literal["light", "dark"],
    broker: Mosquitto,
    chromium: Browser,
    url: str,
    database: Engine,
    tmp_path: Path,
) -> None:
    fits = "document.documentElement.scrollWidth <= innerWidth"
    with HarPage(broker.url, tmp_path, "--fleet", url) as har_page:
        page = chromium.new_page(
            color_scheme=scheme, locale="de-DE", viewport={"width": 390, "height": 900}
        )
        page.goto(f"{har_page.url}/fleet")
        page.keyboard.press("Tab")
        lot = page.get_by_role("listitem").filter(has_text="city-00001")
        expect(lot).to_contain_text("2 von 2 da")
        expect(page.get_by_role("search").get_by_label("Haushalt, Kamera")).to_be_visible()
        assert page.evaluate(fits)
        page.set_viewport_size({"width": 1280, "height": 900})
        assert page.evaluate(fits)
        with database.begin() as db:
            run(db, "UPDATE fleet_status SET restarts = restarts + 7")
        expect(lot).to_contain_text("Neustarts: 7", timeout=10_000)
        with database.begin() as db:
            run(db, "UPDATE fleet_status SET restarts = restarts - 7")
        page.close()


def test_without_a_fleet_there_is_no_such_page(broker: Mosquitto, tmp_path: Path) -> None:
    with page_of(broker.url, tmp_path) as (browser, _):
        assert browser.get("/fleet").status_code == 404
        assert "/fleet" not in browser.get("/").text
