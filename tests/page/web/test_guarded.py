"""Nobody sees or changes anything who may not: every route, every host, every origin."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from support.broker.real_broker import Mosquitto
from support.processes.home_page import ORIGIN, PASSWORD, options_of, page_of

from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from page.commands.page import wire
from page.guard.gate import COOKIE
from page.web.app import Site

OPEN = {
    ("GET", "/sign-in"),
    ("HEAD", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/static/page.css"),
}
"""All that a stranger may ask for."""


@pytest.fixture(scope="module")
def guarded(
    broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TestClient, Site]]:
    with page_of(broker.url, tmp_path_factory.mktemp("state"), password=True) as page:
        yield page


@pytest.fixture(scope="module")
def unguarded(
    broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TestClient, Site]]:
    with page_of(broker.url, tmp_path_factory.mktemp("state")) as page:
        yield page


def every_request(site: Site) -> Iterator[tuple[str, str]]:
    """Method and path of all that may be asked."""
    for route in site.routes():
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/page.css"
        else:
            assert isinstance(route, Route)
            for method in sorted(route.methods or ()):
                yield method, route.path


def test_a_stranger_sees_the_form_to_sign_in_and_nothing_else(
    guarded: tuple[TestClient, Site],
) -> None:
    browser, site = guarded
    found = set(every_request(site))
    assert found >= OPEN
    assert len(found) > 15
    for method, path in sorted(found - OPEN):
        for accept in ("text/html", "*/*"):
            answer = browser.request(method, path, headers={"Accept": accept, **ORIGIN})
            assert answer.status_code in (303, 401), (method, path)
            assert answer.headers.get("location", "/sign-in") == "/sign-in"
            assert "h1" not in answer.text


def test_a_path_with_dots_is_no_way_around(guarded: tuple[TestClient, Site]) -> None:
    browser, _ = guarded
    for path in ("/static/../day", "/static/%2e%2e/day", "/sign-in/../day", "//day", "/Sign-In"):
        assert browser.get(path).status_code in (303, 401, 404), path


def test_the_password_opens_the_page_and_signing_out_closes_it(
    guarded: tuple[TestClient, Site],
) -> None:
    browser, _ = guarded
    answer = browser.post("/sign-in", data={"password": PASSWORD}, headers=ORIGIN)
    assert answer.status_code == 303
    said = answer.headers["set-cookie"]
    assert "HttpOnly" in said and "SameSite=strict" in said and "Path=/" in said
    assert PASSWORD not in said
    assert browser.get("/").status_code == 200
    token = browser.cookies[COOKIE]
    assert browser.post("/sign-out", headers=ORIGIN).status_code == 303
    browser.cookies.clear()
    assert browser.get("/", headers={"Cookie": f"{COOKIE}={token}"}).status_code == 303


def test_wrong_passwords_have_to_wait(broker: Mosquitto, tmp_path: Path) -> None:
    with page_of(broker.url, tmp_path, password=True) as (browser, _):
        statuses = [
            browser.post("/sign-in", data={"password": "wrong"}, headers=ORIGIN).status_code
            for _ in range(4)
        ]
        assert statuses == [403, 403, 403, 429]
        answer = browser.post("/sign-in", data={"password": PASSWORD}, headers=ORIGIN)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1


def test_a_change_comes_from_this_page_alone(guarded: tuple[TestClient, Site]) -> None:
    browser, site = guarded
    browser.post("/sign-in", data={"password": PASSWORD}, headers=ORIGIN)
    for method, path in every_request(site):
        if method == "POST" and path != "/sign-out":
            for origin in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}):
                assert browser.post(path, headers=origin).status_code == 403, path
    browser.cookies.clear()


def test_without_a_password_another_host_name_is_refused(
    unguarded: tuple[TestClient, Site],
) -> None:
    """A site whose name leads to 127.0.0.1 would otherwise read the page (DNS rebinding)."""
    browser, _ = unguarded
    for host in ("127.0.0.1:8760", "localhost", "[::1]:8760"):
        assert browser.get("/", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8760", ""):
        assert browser.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "home.lan"])  # noqa: S104 -- refused
def test_beyond_this_machine_it_needs_a_password(host: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--make-password"):
        wire(options_of(host=host), Settings(state_dir=tmp_path))


def test_every_answer_forbids_what_comes_from_elsewhere(
    unguarded: tuple[TestClient, Site],
) -> None:
    browser, _ = unguarded
    for path in ("/", "/day", "/nowhere", "/static/page.js"):
        policy = browser.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy


def test_no_page_has_a_script_or_a_style_in_it(unguarded: tuple[TestClient, Site]) -> None:
    browser, _ = unguarded
    for path in ("/", "/day", "/correct", "/report", "/sign-in", "/nowhere"):
        html = browser.get(path).text
        assert " style=" not in html and "<style" not in html
        assert not re.search(r" on[a-z]+=", html), path
        assert "<script>" not in html


@pytest.mark.parametrize(
    ("given", "asked", "headers"),
    [
        ({"root_path": "/har"}, "/har/", {}),
        ({}, "/", {"X-Ingress-Path": "/api/hassio_ingress/token"}),
    ],
)
def test_behind_a_proxy_every_link_has_its_prefix(
    given: dict[str, object], asked: str, headers: dict[str, str], broker: Mosquitto, tmp_path: Path
) -> None:
    prefix = headers.get("X-Ingress-Path", "/har")
    with page_of(broker.url, tmp_path, **given) as (browser, _):
        for path in ("", "day", "report"):
            html = browser.get(f"{asked}{path}", headers=headers).text
            for marker in ('href="', 'src="', 'action="'):
                for link in html.split(marker)[1:]:
                    assert link.startswith((prefix, "#main")), link[:60]
        answer = browser.get(prefix, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (308, f"{prefix}/")
        answer = browser.post(f"{asked}theme", headers=headers | ORIGIN, data={"theme": "dark"})
        assert answer.headers["location"] == f"{prefix}/"
        assert f"Path={prefix}" in answer.headers["set-cookie"]


def test_a_prefix_that_is_no_path_is_not_believed(unguarded: tuple[TestClient, Site]) -> None:
    browser, _ = unguarded
    for told in ("//evil.example", "https://evil.example", '"><script>', "/a b"):
        html = browser.get("/", headers={"X-Ingress-Path": told}).text
        assert "evil" not in html and "<script>" not in html
