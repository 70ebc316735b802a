"""A light installation teaches `home` two activities; it says them, and goes on finding falls."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.repository import ENVIRONMENT

from har_stream.bundles import weights
from har_stream.bundles.bundle import Bundle, find_bundle, load_bundle
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.readers import Readers
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import Change
from har_stream.core.errors import InputError
from har_stream.pipeline import Pipeline
from har_stream.recognition.recogniser import Recogniser
from training.fitting.teaching.teach import open_eyes

START = datetime(2026, 1, 1, tzinfo=UTC)
ABSENT = (
    *("amqtt", "h5py", "hmmlearn", "jinja2", "keras", "matplotlib", "pyarrow", "rarfile", "scipy"),
    *("sklearn", "sqlalchemy", "tensorflow"),
)
"""What an installation of `har-stream[litert]` lacks."""
COMMAND = f"""
import sys
for name in {ABSENT}:
    sys.modules[name] = None
from training.commands.train_har import main
sys.exit(main())
"""
TAUGHT = {
    "CuttingInKitchen": ("g19_c02", "g19_c03", "g11_c04"),
    "WallPushups": ("g10_c05", "g10_c02", "g12_c01"),
}
ORDINARY = ("home/Subject_3/ADL/07", "no_activity/nofi003")


@pytest.fixture(scope="module")
def taught(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, str]:
    """The bundle, and what the command printed."""
    folder = tmp_path_factory.mktemp("teach")
    for activity, clips in TAUGHT.items():
        own = folder / "clips" / activity
        own.mkdir(parents=True)
        for name in (f"v_{activity}_{clip}.mp4" for clip in clips):
            (own / name).symlink_to(shared / "data/ucf_home" / activity / name)
    (folder / "ordinary").mkdir()
    for n, clip in enumerate(ORDINARY):
        (folder / "ordinary" / f"{n}.mp4").symlink_to(shared / "data" / f"{clip}.mp4")
    flags = "--clips clips --ordinary ordinary --out flat --cache cache --beside home"
    run = subprocess.run(
        [sys.executable, "-c", COMMAND, "teach", *flags.split()],
        cwd=folder,
        env=ENVIRONMENT | {weights.ENVIRONMENT: str(shared / "weights")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(weights.ENVIRONMENT, str(shared / "weights"))
        return load_bundle(folder / "flat"), run.stdout


def changes(bundle: Bundle, clip: Path) -> list[Change]:
    camera = CameraSettings(source=str(clip), name="a")
    spec = bundle.manifest.clip
    options = ReadOptions(sample_hz=spec.sample_hz, picture=spec.picture, start_at=START)
    with Readers([camera], options) as readers:
        news = list(Pipeline(Recogniser(bundle), [camera]).run(readers))
    return [each for each in news if isinstance(each, Change)]


def test_it_says_how_good_it_is_on_sessions_that_it_did_not_learn_from(
    taught: tuple[Bundle, str],
) -> None:
    bundle, said = taught
    assert "each judged by what other sessions taught" in said
    assert "s taken for an activity" in said
    assert "home beside it: 0%" in said
    manifest = bundle.manifest
    assert manifest.taught == ("CuttingInKitchen", "WallPushups")
    assert set(manifest.labels) > {"walking", "lying", "CuttingInKitchen", "WallPushups"}
    assert 0 <= manifest.metrics["taught_accuracy"] <= 1
    assert manifest.provenance.command == (
        "train-har teach --bundle home --clips clips --ordinary ordinary"
    )
    assert "research only" in manifest.provenance.licence


def test_it_streams_what_it_was_taught(taught: tuple[Bundle, str], shared: Path) -> None:
    """In the same place as it was taught, at another time."""
    clip = shared / "data/ucf_home/WallPushups/v_WallPushups_g12_c05.mp4"
    begun = [each.activity for each in changes(taught[0], clip) if each.ended_at is None]
    assert begun == ["WallPushups"]


def test_it_finds_falls_as_the_bundle_that_it_came_from(
    taught: tuple[Bundle, str], shared: Path
) -> None:
    clip = shared / "data/home/Subject_2/Fall/12.mp4"
    stages = [each.fall_stage for each in changes(taught[0], clip) if each.fall_stage]
    assert stages == ["fallen"]


def test_what_cannot_be_taught_is_refused(taught: tuple[Bundle, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was taught already; teach the one that it came"):
        open_eyes(taught[0], tmp_path)
    with pytest.raises(InputError, match="lrcn-ucf follows no person by key points"):
        open_eyes(load_bundle(find_bundle("lrcn-ucf")), tmp_path)
