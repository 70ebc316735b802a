"""Regions that were drawn hold at once and after a restart, until the configuration changes."""

from pathlib import Path

import pytest

from har_stream.commands.drawn_regions import RegionRequests, with_drawn_regions
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.regions import Regions
from har_stream.config.settings import Settings
from har_stream.config.state_dir import regions_file
from har_stream.core.errors import InputError
from har_stream.mqtt.requests import BridgeRequest

BED = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]
Applied = list[tuple[str, Regions]]


def settings_of(folder: Path, *, floor: tuple[object, ...] = ()) -> Settings:
    regions = Regions.model_validate({"floor": floor})
    cameras = [CameraSettings(source=n, name=n, regions=regions) for n in ("cam1", "cam2")]
    return Settings(node="n1", state_dir=folder, cameras=tuple(cameras))


def desk_of(settings: Settings) -> tuple[RegionRequests, Applied]:
    applied: Applied = []
    watched = with_drawn_regions(settings).cameras
    drawn = RegionRequests(settings, watched, apply=lambda *told: applied.append(told))
    return drawn, applied


def test_they_hold_at_once_and_after_a_restart(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    desk, applied = desk_of(settings)
    desk.answers()["set_regions"](BridgeRequest(camera="cam2", regions={"bed": [BED]}))
    drawn = Regions.model_validate({"bed": [BED]})
    assert applied == [("cam2", drawn)]
    told = desk.answers()["regions"](BridgeRequest())
    assert told["cam2"]["regions"]["bed"] == [BED]  # type: ignore[index]
    again, _ = desk_of(settings)
    assert again.answers()["regions"](BridgeRequest()) == told
    assert [each.regions for each in with_drawn_regions(settings).cameras] == [Regions(), drawn]
    newer = settings_of(tmp_path, floor=(BED,))
    assert with_drawn_regions(newer) == newer, "a configuration that changed counts"


@pytest.mark.parametrize(
    ("camera", "regions", "said"),
    [
        ("cam9", {}, "camera, one of cam1, cam2"),
        ("cam1", None, "needs regions"),
        ("cam1", {"bed": [BED[:2]]}, "3 to 100 corners expected"),
        ("cam1", {"roof": [BED]}, "roof"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    camera: str, regions: dict[str, list[list[tuple[float, float]]]], said: str, tmp_path: Path
) -> None:
    desk, applied = desk_of(settings_of(tmp_path))
    with pytest.raises(InputError, match=said):
        desk.answers()["set_regions"](BridgeRequest(camera=camera, regions=regions))
    assert applied == [] and not regions_file(tmp_path, "n1").exists()


def test_a_file_that_makes_no_sense_is_said_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    regions_file(tmp_path, "n1").write_text("{")
    settings = settings_of(tmp_path)
    assert with_drawn_regions(settings) == settings
    assert "so the configured regions hold" in caplog.text
