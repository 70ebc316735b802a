"""Clips of one's own home: asked for, whole, and grouped so that splits by session work."""

import io
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.limits import files_of_at_most
from support.repository import ROOT
from support.video.clip_maker import write_clip
from support.video.video_source import MjpegServer, grey

from har_stream.cameras.video_file import read_file
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame, Image
from har_stream.preview.video_writer import ClipFile
from training.collect import clip_names
from training.collect.record import RECORD_HZ, RecordingPlan, consent, record_clips
from training.commands import collect
from training.commands.train_har import main
from training.config import DataConfig, SplitConfig, read_config
from training.data import splits
from training.data.clip import EPOCH
from training.data.dataset import read_dataset


def _images(path: Path) -> list[Image]:
    frames = list(read_file(path, sample_hz=RECORD_HZ, start_at=EPOCH))
    assert all(frame.n_ticks == 1 for frame in frames), "a constant rate"
    return [frame.image for frame in frames]


def _record(source: str, folder: Path, *, n_clips: int, clip_s: float, session: str) -> list[Path]:
    made: list[Path] = []
    wanted = RecordingPlan("cooking", source, n_clips, clip_s, folder)
    record_clips(wanted, session=session, on_clip=made.append)
    return made


def test_a_source_becomes_clips_back_to_back(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "long.avi", n_frames=150, fps=15.0)
    made = _record(str(source), tmp_path / "clips", n_clips=20, clip_s=2.0, session="7")
    assert [path.name for path in made] == [f"cooking_g7_c{n:02}.mp4" for n in range(1, 6)]
    assert sorted((tmp_path / "clips/cooking").iterdir()) == made, "nothing half is left"
    recorded = [image for path in made for image in _images(path)]
    original = _images(source)
    assert len(recorded) == len(original) == 150
    differences = [
        np.abs(a.astype(int) - b).mean() for a, b in zip(recorded, original, strict=True)
    ]
    assert max(differences) < 8, "the very frames, but for the codec"
    assert stat.S_IMODE((tmp_path / "clips/cooking").stat().st_mode) == 0o700


def test_clips_are_their_owners_alone_in_a_folder_that_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "clips/cooking"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    (folder / ".cooking_g7_c01.part.mp4").touch(0o644)  # left behind by a crash
    source = write_clip(tmp_path / "long.avi", n_frames=30, fps=15.0)
    (clip,) = _record(str(source), tmp_path / "clips", n_clips=1, clip_s=1.0, session="7")
    assert stat.S_IMODE(clip.stat().st_mode) == 0o600


def test_a_live_camera_is_recorded_and_left_at_the_end(tmp_path: Path) -> None:
    with MjpegServer(lambda n: grey(n % 250)) as server:
        made = _record(server.url, tmp_path, n_clips=2, clip_s=0.6, session="7")
    assert [len(_images(path)) for path in made] == [9, 9]


def test_sessions_are_groups_that_splits_keep_together(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "long.avi", n_frames=60, fps=15.0)
    for session in ("20261124190000", "20261125190000", "20261126190000"):
        for label in ("cooking", "eating"):
            wanted = RecordingPlan(label, str(source), 4, 1.0, tmp_path / "clips")
            record_clips(wanted, session=session, on_clip=str)
    # All sessions recorded the same frames here, which would rightly be linked.
    for n, path in enumerate(sorted((tmp_path / "clips").glob("*/*.mp4"))):
        path.write_bytes(path.read_bytes() + bytes(n + 1))
    data = DataConfig(path=tmp_path / "clips", groups_span_classes=True)
    dataset = read_dataset(data)
    made = splits.make_splits(dataset, split=SplitConfig(by="folds", n_folds=3), data=data, seed=27)
    for part in made:
        assert len({clip.group for clip in part.test}) == 1, "one evening, both activities"
        assert {clip.label for clip in part.test} == {"cooking", "eating"}
        assert not {c.group for c in part.test} & {c.group for c in part.train}


def test_consent_says_what_is_recorded_and_where_it_goes(tmp_path: Path) -> None:
    said = consent(RecordingPlan("cooking", "rtsp://me:secret@10.0.0.7/live", 20, 6.0, tmp_path))
    assert "20 clips of 6 s" in said
    assert "without sound" in said
    assert str(tmp_path / "cooking") in said
    assert "in files that you alone can read" in said
    assert "Nothing leaves this machine" in said
    assert "secret" not in said


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_recorded_before_somebody_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_clip(tmp_path / "long.avi", n_frames=60, fps=15.0)
    folder = tmp_path / "clips"
    command = ["record", "--label", "cooking", "--camera", str(source), "--out", str(folder)]
    command += ["--minutes", "0.05", "--seconds", "1", "--countdown", "0"]
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(command) == 2
    assert "give --yes where all have agreed" in capsys.readouterr().err
    assert not folder.exists()
    monkeypatch.setattr(sys, "stdin", _Terminal("\n"))
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "Press Enter to begin" in said
    assert "next: gather cooking from 2 more, another activity from 3 (" in said
    assert "train-har fit" not in said
    assert len(list(folder.glob("cooking/*.mp4"))) == 3
    assert main([*command, "--yes"]) == 0


def test_what_is_said_to_come_next_can_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = read_config(ROOT / "configs/home.yaml")
    assert config.encoder.weights == collect.HOME_WEIGHTS
    source = write_clip(tmp_path / "long.avi", n_frames=30, fps=15.0)
    folder = tmp_path / "clips"
    data = config.data.model_copy(update={"path": folder})
    sessions = [(label, n) for n in range(3) for label in ("cooking", "eating")]
    for label, n in sessions:
        wanted = RecordingPlan(label, str(source), 2, 1.0, folder)
        record_clips(wanted, session=f"{label[0]}{n}", on_clip=str)
        for path in folder.glob(f"{label}/*_g{label[0]}{n}_*"):
            path.write_bytes(path.read_bytes() + path.name.encode())  # not the same file
        collect._print_next(folder)
        said = capsys.readouterr().out
        if (label, n) != sessions[-1]:
            assert "train-har fit" not in said
    assert said == (
        f"next: train-har teach --clips {folder} --ordinary DIR   (of an ordinary day)\n"
        "  or: train-har download weights movinet_a0_stream_int8   (once)\n"
        f"      train-har fit configs/home.yaml --data {folder}\n"
    )
    made = splits.make_splits(read_dataset(data), split=config.split, data=data, seed=config.seed)
    assert len(made) == config.split.n_folds == collect.HOME_GROUPS


def test_ctrl_c_keeps_the_clips_that_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    n_written = 0

    class Interrupted(ClipFile):
        def write(self, image: Image) -> None:
            nonlocal n_written
            n_written += 1
            if n_written == 40:
                signal.raise_signal(signal.SIGINT)
            super().write(image)

    monkeypatch.setattr("training.collect.record.ClipFile", Interrupted)
    source = write_clip(tmp_path / "long.avi", n_frames=60, fps=15.0)
    command = ["record", "--label", "cooking", "--camera", str(source), "--yes"]
    command += ["--out", str(tmp_path / "clips"), "--seconds", "1", "--countdown", "0"]
    assert main(command) == 0
    assert "stopped; the clips that are whole are kept" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "clips/cooking").iterdir())
    assert [name.split("_")[-1] for name in names] == ["c01.mp4", "c02.mp4"]


def test_ctrl_c_before_the_first_frame_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> Iterator[Frame]:
        signal.raise_signal(signal.SIGINT)
        yield from ()

    monkeypatch.setattr("training.collect.record.read_camera", interrupted)
    command = ["record", "--label", "cooking", "--camera", "0", "--yes", "--countdown", "0"]
    assert main([*command, "--out", str(tmp_path / "clips")]) == 0
    assert "stopped; the clips that are whole are kept" in capsys.readouterr().out
    assert not (tmp_path / "clips").exists()


def test_a_clip_has_one_frame_at_least(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "long.avi", n_frames=6, fps=15.0)
    made = _record(str(source), tmp_path / "clips", n_clips=4, clip_s=0.01, session="7")
    assert [len(_images(path)) for path in made] == [1, 1, 1, 1]


def test_what_cannot_be_recorded_is_said(tmp_path: Path) -> None:
    short = write_clip(tmp_path / "short.avi", n_frames=10, fps=15.0)
    for source, said in (
        (str(short), "no whole clip of 2 s came from it"),
        (str(tmp_path / "none.mp4"), "cannot be read"),
        ("sim:7", "a simulated home is drawn, not recorded"),
        ("foo://x", "^source: no camera speaks foo://; known are [a-z, ]+$"),
    ):
        with pytest.raises(InputError, match=said):
            _record(source, tmp_path / "clips", n_clips=1, clip_s=2.0, session="7")
    with pytest.raises(InputError, match="no slash and no leading dot"):
        clip_names.name_clip(tmp_path, label="../up", group="1", number=1)


def test_a_clip_that_the_disk_does_not_take_is_said_and_dropped(tmp_path: Path) -> None:
    path = tmp_path / "cooking/a.mp4"
    clip = ClipFile(path, fps=15.0, size_px=(64, 48))
    with files_of_at_most(200):
        for level in range(30):
            clip.write(grey(level))
        with pytest.raises(InputError, match="0 of 30 frames could be written; is the disk full"):
            clip.close()
    assert not list(path.parent.iterdir())
