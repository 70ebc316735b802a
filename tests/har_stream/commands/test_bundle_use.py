"""A node changes its bundle at somebody's request, says so, and keeps to it after a restart."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes.stream_process import shipped_bundle

from har_stream.bundles.bundle import MANIFEST, Bundle, Manifest, load_bundle
from har_stream.cameras.readers import Arrival
from har_stream.commands.bundle_use import BundleUse, load_bundle_in_use
from har_stream.config.settings import Settings
from har_stream.config.state_dir import bundle_file, bundles_dir
from har_stream.core.errors import InputError
from har_stream.mqtt.requests import BridgeRequest
from har_stream.pipeline import Pipeline
from har_stream.recognition.recogniser import Recogniser

NAME = shipped_bundle().name


def refuse_blind(manifest: Manifest) -> None:
    """What a node was started for: nothing that is called blind."""
    if manifest.name == "blind":
        raise InputError("--skeleton: blind looks for no key points")


class Quiet:
    """Cameras that deliver nothing until the test is over."""

    ended = False

    def next_arrivals(self, timeout_s: float) -> list[Arrival]:
        """Nothing."""
        return []


class Desk:
    """What a node answers, with its pipeline at work."""

    def __init__(self, settings: Settings) -> None:
        self.told: list[Bundle] = []
        bundle = load_bundle_in_use(settings)
        self.pipeline = Pipeline(Recogniser(bundle), [])
        self.has_open_falls = False
        use = BundleUse(
            settings,
            bundle,
            self.pipeline,
            check=refuse_blind,
            has_open_falls=lambda: self.has_open_falls,
            when_changed=self.told.append,
        )
        self.answers = use.answers()

    def use(self, name: str | None) -> object:
        """Ask for another bundle."""
        return self.answers["use_bundle"](BridgeRequest(bundle=name))

    def list(self) -> dict[str, object]:
        """Ask which there are."""
        return dict(self.answers["bundles"](BridgeRequest()))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a node with two bundles of its own, one of which wants another pace."""
    for name, hz in (("mine", 5.0), ("faster", 7.0), ("blind", 5.0)):
        path = bundles_dir(tmp_path) / name
        shutil.copytree(shipped_bundle(), path)
        manifest = json.loads((path / MANIFEST).read_text())
        manifest["clip"]["sample_hz"] = hz
        manifest["name"] = name
        (path / MANIFEST).write_text(json.dumps(manifest))
    return Settings(node="n1", bundle=NAME, state_dir=tmp_path)


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    made = Desk(settings)
    quiet = Quiet()
    at_work = threading.Thread(target=lambda: list(made.pipeline.run(quiet)))
    at_work.start()
    yield made
    quiet.ended = True
    at_work.join()


def test_it_uses_another_bundle_goes_back_and_remembers(desk: Desk, settings: Settings) -> None:
    assert desk.list()["before"] is None
    assert desk.use("mine") == {"bundle": "mine", "before": NAME}
    assert [each.path.name for each in desk.told] == ["mine"]
    listed = desk.list()
    assert (listed["bundle"], listed["before"]) == ("mine", NAME)
    assert load_bundle_in_use(settings).path.name == "mine"
    assert Desk(settings).list()["before"] == NAME
    newer = settings.model_copy(update={"bundle": "faster"})
    assert load_bundle_in_use(newer).path.name == "faster", "a configuration that changed counts"
    assert desk.use(NAME) == {"bundle": NAME, "before": "mine"}
    assert load_bundle_in_use(settings).path.name == NAME


def test_it_refuses_in_words_what_it_cannot_use(desk: Desk) -> None:
    for name, said in (
        (None, "use_bundle needs bundle"),
        ("../../etc", "no bundle '../../etc'; there are"),
        ("blind", "--skeleton: blind looks for no key points"),
    ):
        with pytest.raises(InputError, match=said):
            desk.use(name)
    assert {"mine", "faster", NAME} <= set(desk.list()["bundles"])  # type: ignore[call-overload]
    assert "blind" not in desk.list()["bundles"]  # type: ignore[operator]
    desk.has_open_falls = True
    with pytest.raises(InputError, match="mine does not watch for falls, and somebody lies there"):
        desk.use("mine")
    assert desk.told == []


def test_a_bundle_of_another_pace_is_followed_by_who_reads_frames(desk: Desk) -> None:
    assert desk.pipeline.clip.sample_hz == 5.0
    assert desk.use("faster") == {"bundle": "faster", "before": NAME}
    assert desk.pipeline.clip.sample_hz == 7.0


def test_a_bundle_that_is_gone_is_said_and_the_configured_one_counts(
    desk: Desk, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    desk.use("mine")
    shutil.rmtree(bundles_dir(settings.state_dir) / "mine")
    assert load_bundle_in_use(settings).hash == load_bundle(shipped_bundle()).hash
    assert f"not used any more, so {NAME} is: no bundle 'mine'" in caplog.text
    bundle_file(settings.state_dir, "n1").write_text("{")
    assert load_bundle_in_use(settings).path.name == NAME
    assert "cannot be read" in caplog.text
