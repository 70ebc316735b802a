"""Falls found, missed and false are counted as the clips' states say."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from support.video.scene import write_scene

from har_stream.bundles.bundle import load_named_bundle
from har_stream.config.ids import as_id
from har_stream.core.errors import InputError
from training.commands.train_har import main
from training.evaluation.falls import (
    FallClip,
    Replayed,
    count_falls,
    read_clips,
    replay_clips,
    share_interval,
    to_table,
)

STATES = """clip,start_s,end_s,state
falls,0.0,5.0,upright
falls,5.0,6.0,changing
falls,6.0,,lying_floor
lies,0.0,2.0,bending
lies,2.0,,lying_floor
sleeps,0.0,1.0,changing
sleeps,1.0,,lying_bed
sits,0.0,,sitting
"""


def clip(kind: str, *, down_s: float | None = None, landed_s: float | None = None) -> FallClip:
    return FallClip(kind, Path(f"{kind}.mp4"), kind, down_s, landed_s)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("falls", "lies", "sleeps", "sits"):
        (tmp_path / f"{name}.mp4").touch()
    (tmp_path / "states.csv").write_text(STATES)
    return tmp_path


def test_what_a_clip_shows_follows_from_its_states(folder: Path) -> None:
    clips = {each.path.stem: each for each in read_clips(folder, folder / "states.csv")}
    assert clips["falls"].name == f"{folder.name}/falls"
    assert {name: each.kind for name, each in clips.items()} == {
        "falls": "fall",
        "lies": "floor",
        "sleeps": "bed",
        "sits": "other",
    }
    assert (clips["falls"].down_s, clips["falls"].landed_s) == (5.0, 6.0)
    assert {each.kind for each in read_clips(folder, None)} == {"other"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STATES + "gone,0.0,,upright\n", "the file of states names it, but it is not there"),
        (STATES + "sits,soon,,upright\n", ":10: start_s: seconds expected"),
        (STATES + "sits,7.0,,flying\n", ":10: no such state: 'flying'; there are nobody, "),
        ("clip,state\n", "start_s"),
    ],
)
def test_a_file_of_states_that_cannot_be_used_is_named(folder: Path, text: str, says: str) -> None:
    (folder / "states.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_clips(folder, folder / "states.csv")


def test_a_fall_counts_as_found_from_going_down_until_five_seconds_after_landing() -> None:
    fell = clip("fall", down_s=5.0, landed_s=6.0)
    found = {at: Replayed(fell, 20.0, (at,)).delay_s for at in (3.0, 5.5, 8.0, 11.0, 12.0)}
    assert found == {3.0: None, 5.5: -0.5, 8.0: 2.0, 11.0: 5.0, 12.0: None}
    assert Replayed(fell, 20.0, (3.0, 8.0)).n_false == 1
    assert Replayed(clip("bed"), 20.0, (3.0, 8.0)).n_false == 2


def test_the_figures_and_their_bounds() -> None:
    counted = count_falls(
        [
            Replayed(clip("fall", down_s=5.0, landed_s=6.0), 10.0, (7.0,)),
            Replayed(clip("fall", down_s=5.0, landed_s=6.0), 10.0, ()),
            Replayed(clip("other"), 1800.0, ()),
            Replayed(clip("other"), 1800.0, ()),
            Replayed(clip("bed"), 3600.0, (8.0,)),
        ]
    )
    assert (counted["falls"]["n"], counted["falls"]["found"]) == (2, 1)
    assert counted["falls"]["missed"] == ["fall"]
    assert counted["falls"]["delay_s"] == {"median": 1.0, "longest": 1.0}
    other, bed = counted["false"]["other"], counted["false"]["bed"]
    assert (other["n"], other["minutes"], other["alarms"]) == (2, 60.0, 0)
    # Tables of Poisson's law: 2.996 events at most where none was seen, 4.744 after one.
    assert other["at_most_per_hour"] == pytest.approx(2.996, abs=0.001)
    assert bed["at_most_per_hour"] == pytest.approx(4.744, abs=0.001)
    assert bed["clips"] == ["bed"]


def test_the_table_shows_the_names_of_clips_whole() -> None:
    name = "streets/" + "VIRAT_S_010204_05_000856_000890" * 2
    alarmed = Replayed(FallClip(name, Path("a.mp4"), "other"), 60.0, (3.0,))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(to_table(count_falls([alarmed]), "home"))
    lines = console.export_text().splitlines()
    which = "".join(line.split("│")[-2].strip() for line in lines if line.count("│") > 2)
    assert name in which


def test_the_interval_of_a_share_is_that_of_clopper_and_pearson() -> None:
    assert share_interval(10, 10) == (pytest.approx(0.6915, abs=1e-4), 1.0)
    assert share_interval(0, 5) == (0.0, pytest.approx(0.5218, abs=1e-4))
    assert share_interval(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)


def test_clips_are_replayed_with_their_last_frame_held(tmp_path: Path, capsys, caplog) -> None:
    """The fall's clip ends as somebody lands, as UR Fall's do."""
    write_scene(tmp_path / "falls.mp4", ("walking", 8), ("fallen", 1.4), home=2)
    write_scene(tmp_path / "sits.mp4", ("walking", 5), ("sitting", 8), home=3)
    (tmp_path / "states.csv").write_text(
        "clip,start_s,end_s,state\nfalls,0,8,upright\nfalls,8,9.2,changing\n"
        "falls,9.2,,lying_floor\nsits,0,,upright\n"
    )
    bundle = load_named_bundle("sim-home", state_dir=tmp_path)
    clips = read_clips(tmp_path, tmp_path / "states.csv")
    with caplog.at_level("INFO"):
        replayed = replay_clips(bundle, clips, hold_s=4, regions={})
    held = {each.clip.path.stem: each for each in replayed}
    (told,) = [line for line in caplog.messages if ": fallen, " in line]
    assert told.startswith(f"{as_id(f'{tmp_path.name}/falls')}: fallen, "), "the clip is named"
    assert held["falls"].delay_s is not None
    assert held["falls"].seconds == pytest.approx(9.2 + 4, abs=0.5)
    assert held["sits"].fallen_s == ()
    written = tmp_path / "figures.json"
    flags = ["--clips", str(tmp_path), str(tmp_path / "states.csv"), "--only", "*/falls"]
    assert main(["falls", "--bundle", "sim-home", *flags, "--hold=4", "--json", str(written)]) == 0
    assert '"found": 1' in written.read_text()
    assert "falls found" in capsys.readouterr().out


def test_a_bundle_that_watches_for_no_falls_is_refused(tmp_path: Path) -> None:
    bundle = load_named_bundle("lrcn-ucf", state_dir=tmp_path)
    with pytest.raises(InputError, match="watches for no falls"):
        replay_clips(bundle, [], hold_s=3, regions={})
