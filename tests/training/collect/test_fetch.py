"""Data sets and weights come whole, checked and counted, or not at all."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import rarfile
from support.files.rar_writer import rar
from support.repository import ENVIRONMENT
from support.video.clip_maker import write_clip
from support.video.file_server import FileServer

from har_stream.bundles import published_weights, weights
from har_stream.bundles.published_weights import Remote
from har_stream.core.errors import InputError
from training.collect import archives as download_unpack
from training.collect import download_sources
from training.collect.archives import unpack
from training.collect.download_dataset import download_dataset
from training.collect.download_sources import DatasetSource
from training.commands.train_har import main
from training.config import DataConfig, SplitConfig
from training.data import splits
from training.data.dataset import read_dataset

CONTENT = bytes(range(256)) * 40_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@contextmanager
def _silent(_: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda n_here, n_total: None


@pytest.mark.parametrize("name", ["ucf50", "weights"])
def test_a_mirror_that_is_no_address_leaves_nothing_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAR_WEIGHTS", str(tmp_path / "weights"))
    which = [name] if name != "weights" else [name, "movinet_a0_stream_int8"]
    assert main(["download", *which, "--mirror", "mirror"]) == 2
    assert capsys.readouterr().err == "train-har: mirror: http and https alone are fetched\n"
    assert not list(tmp_path.iterdir())


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _clips(tmp_path: Path, labels: tuple[str, ...], n_groups: int = 3) -> dict[str, bytes]:
    names = [
        f"{label}/v_{label}_g{n:02}_c01.avi" for label in labels for n in range(1, 1 + n_groups)
    ]
    return {
        name: write_clip(tmp_path / "made" / name, seed=n).read_bytes()
        for n, name in enumerate(names)
    }


def _source(server: FileServer, *names: str, n_clips: int) -> DatasetSource:
    archives = tuple(Remote(f"{server.url}/{name}", name) for name in names)
    return DatasetSource(archives, n_classes=2, n_clips=(n_clips, n_clips), cite="us")


def test_a_data_set_as_ucf101_is_packed_is_ready_for_its_official_lists(tmp_path: Path) -> None:
    clips = _clips(tmp_path, ("Run", "Walk"))
    lists = {
        f"ucfTrainTestlist/{part}list01.txt": "\n".join(
            f"{c}/v_{c}_g0{n}_c01.avi" for c in ("Run", "Walk") for n in groups
        ).encode()
        for part, groups in (("test", (1,)), ("train", (2, 3)))
    }
    files = {
        "UCF.rar": rar({f"UCF-101/{name}": content for name, content in clips.items()}),
        "lists.zip": _zip(lists),
    }
    with FileServer(files, cuts=(3000,)) as server:
        source = _source(server, *files, n_clips=6)
        download_dataset(source, tmp_path / "ucf", showing=_silent)
        download_dataset(source, tmp_path / "ucf", showing=_silent)
    assert [name for name, _ in server.asked] == ["UCF.rar", "UCF.rar", "lists.zip"]
    for name, content in clips.items():
        assert (tmp_path / "ucf" / name).read_bytes() == content
    data = DataConfig(kind="ucf101", path=tmp_path / "ucf")
    official = SplitConfig(by="official", validation=0)
    (split,) = splits.make_splits(read_dataset(data), split=official, data=data, seed=27)
    assert {clip.source for clip in split.test} == {"Run/1", "Walk/1"}
    record = json.loads((tmp_path / "ucf/download.json").read_text())
    assert record[0]["sha256"] == hashlib.sha256(files["UCF.rar"]).hexdigest()
    assert "none is published" in record[0]["hash"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "ucf"]


def test_the_command_fetches_a_data_set_counts_it_and_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = _clips(tmp_path, ("Run", "Walk"))
    (published,) = download_sources.dataset("ucf50").archives
    archive = replace(published, n_bytes=None)
    tiny = DatasetSource((archive,), n_classes=2, n_clips=(6, 6), cite="Nobody 2012; for research")
    monkeypatch.setitem(download_sources.DATASETS, "ucf50", tiny)
    monkeypatch.chdir(tmp_path)
    packed = rar({f"UCF50/{name}": content for name, content in clips.items()})
    with FileServer({"UCF50.rar": packed}) as server:
        command = ["download", "ucf50", "--mirror", f"{server.url}/"]
        assert main(command) == 0
        assert main([*command, "--out", "elsewhere"]) == 0
    assert server.asked == [("UCF50.rar", 0)] * 2
    said = capsys.readouterr().out
    for label in ("Run", "Walk"):
        assert re.search(rf"{label} +│ 3 +│ 3 ", said), said
    assert said.endswith("ucf50: Nobody 2012; for research\n")
    for folder in (Path("ucf50"), Path("elsewhere")):
        for name, content in clips.items():
            assert (folder / name).read_bytes() == content
    url = json.loads(Path("ucf50/download.json").read_text())[0]["url"]
    assert url == f"{server.url}/UCF50.rar"


def test_archives_in_an_archive_are_unpacked_as_hmdb51s(tmp_path: Path) -> None:
    clips = _clips(tmp_path, ("run", "walk"), n_groups=2)
    inner = {
        f"{label}.rar": rar({name: clips[name] for name in clips if name.startswith(label)})
        for label in ("run", "walk")
    }
    lists = {"testTrainMulti_7030_splits/run_test_split1.txt": b"v_run_g01_c01.avi 1\n"}
    files = {"hmdb51_org.rar": rar(inner), "test_train_splits.rar": rar(lists)}
    with FileServer(files) as server:
        download_dataset(_source(server, *files, n_clips=4), tmp_path / "hmdb", showing=_silent)
    found = {str(path.relative_to(tmp_path / "hmdb")) for path in (tmp_path / "hmdb").rglob("*.*")}
    assert found == {*clips, "splits/run_test_split1.txt", "download.json"}


def test_wrong_counts_leave_nothing_but_the_archive(tmp_path: Path) -> None:
    files = {"a.rar": rar(_clips(tmp_path, ("Run", "Walk")))}
    with FileServer(files) as server:
        source = _source(server, *files, n_clips=7)
        with pytest.raises(InputError, match="6 clips of 2 classes, not 7 of 2"):
            download_dataset(source, tmp_path / "ucf", showing=_silent)
        assert not (tmp_path / "ucf").exists()
        assert [path.name for path in (tmp_path / ".ucf.download").iterdir()] == ["a.rar"]
        download_dataset(replace(source, n_clips=(5, 7)), tmp_path / "ucf", showing=_silent)
        assert len(server.asked) == 1, "the archive was kept"
        (tmp_path / "ucf/Run/v_Run_g01_c01.avi").unlink()
        with pytest.raises(InputError, match="5 clips of 2 classes, not 6 of 2"):
            download_dataset(replace(source, n_clips=(6, 6)), tmp_path / "ucf", showing=_silent)


@pytest.mark.parametrize("packed", [rar, _zip])
@pytest.mark.parametrize("name", ["../evil.avi", "a/../../evil.avi", "/root/evil.avi", "..\\e.avi"])
def test_a_path_that_leads_out_of_an_archive_is_refused(
    tmp_path: Path, packed: Callable[[dict[str, bytes]], bytes], name: str
) -> None:
    (tmp_path / "a").write_bytes(packed({"Run/a.avi": b"1", name: b"2"}))
    with pytest.raises(InputError, match="leads out of the archive; nothing is unpacked"):
        unpack(tmp_path / "a", tmp_path / "out")
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".avi"]


@pytest.mark.parametrize("packed", [rar, _zip])
@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_damaged_archive_is_refused(
    tmp_path: Path, packed: Callable[[dict[str, bytes]], bytes], damage: str
) -> None:
    content = bytearray(packed({"Run/a.avi": CONTENT[:70_000], "Run/b.avi": CONTENT[:9000]}))
    middle = content.index(b"a.avi") + 40
    content[middle] ^= 255
    damaged = {"cut": content[: len(content) // 2], "flip": content, "text": b"Not Found"}
    (tmp_path / "a.rar").write_bytes(damaged[damage])
    with pytest.raises(InputError, match=r"a damaged archive .*; delete it and start again"):
        unpack(tmp_path / "a.rar", tmp_path / "out")


def test_compressed_rar_needs_a_program_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.rar").write_bytes(rar({"Run/a.avi": b"?"}, method=3))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputError, match="apt-get install unar"):
        unpack(tmp_path / "a.rar", tmp_path / "out")


@pytest.mark.parametrize(("program", "package"), [("unar", "unar"), ("bsdtar", "libarchive-tools")])
def test_the_program_unpacks_all_of_an_archive_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, package: str
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here: apt-get install {package}")
    ours = tuple(line for line in download_unpack.UNPACKERS if line[0] == program)
    monkeypatch.setattr(download_unpack, "UNPACKERS", ours)
    monkeypatch.setattr(rarfile, "RAR_M0", -1)  # treat what is stored as if it were compressed
    files = {"UCF50/Run/a b.avi": CONTENT, "UCF50/Walk/b.avi": b"b"}
    (tmp_path / "a.rar").write_bytes(rar(files))
    unpack(tmp_path / "a.rar", tmp_path / "out")
    for name, content in files.items():
        assert (tmp_path / "out" / name).read_bytes() == content
    (tmp_path / "b.rar").write_bytes(rar(files)[:-9000])
    with pytest.raises(InputError, match="a damaged archive"):
        unpack(tmp_path / "b.rar", tmp_path / "out2")


def test_weights_land_where_networks_look_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    remote = published_weights.WEIGHTS["mobilenet_v2_035_imagenet"]
    ours = {"mobilenet_v2_035_imagenet": replace(remote, n_bytes=None)}
    monkeypatch.setattr(published_weights, "WEIGHTS", published_weights.WEIGHTS | ours)
    files = {remote.name: CONTENT, "movinet_a0_stream_int8.tflite": CONTENT}
    with FileServer(files) as server:
        command = ["download", "weights", "mobilenet_v2_035_imagenet", "--mirror", server.url]
        assert main(command) == 0
        assert "no_top.h5" in capsys.readouterr().out.replace("\n", "")
        found = weights.find_by_name("mobilenet_v2_035_imagenet", suffixes=(".h5",), known=())
        assert found.read_bytes() == CONTENT
        record = json.loads((found.parent / "download.json").read_text())
        assert record[0]["sha256"] == SHA256
        command[2] = "movinet_a0_stream_int8"
        assert main(command) == 2
        assert "not the published file, so thrown away" in capsys.readouterr().err
    with pytest.raises(InputError, match="no weights 'movinet_a0_stream_int8'"):
        weights.find_by_name("movinet_a0_stream_int8", suffixes=(".tflite",), known=())


def test_weights_are_fetched_without_the_packages_of_training(tmp_path: Path) -> None:
    lacking = "import sys; sys.modules.update(dict.fromkeys(EXTRAS))"
    call = f"from training.commands.train_har import EXTRAS, main; {lacking}; sys.exit(main())"
    with FileServer({"movenet_lightning_int8.tflite": CONTENT}) as server:
        words = ["download", "weights", "movenet_lightning", "--mirror", server.url]
        environment = ENVIRONMENT | {"XDG_STATE_HOME": str(tmp_path)}
        run = subprocess.run(
            [sys.executable, "-c", call, *words], capture_output=True, text=True, env=environment
        )
    assert run.returncode == 2
    assert "not the published file, so thrown away" in " ".join(run.stderr.split())


def test_the_published_backbone_is_the_one_that_we_use(shared: Path) -> None:
    remote = published_weights.weights("movinet_a0_stream_int8")
    path = shared / "weights/movinet_a0_stream_int8" / remote.name
    assert (path.stat().st_size, weights.hash_of(path)) == (remote.n_bytes, remote.sha256)


def test_names_that_exist_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "kinetics"]) == 2
    assert "ucf50, ucf101, hmdb51, or weights NAME" in capsys.readouterr().err
    assert main(["download", "weights"]) == 2
    assert "movinet_a0_stream_int8" in capsys.readouterr().err
    sources = [*published_weights.WEIGHTS.values()]
    sources += [file for each in download_sources.DATASETS.values() for file in each.archives]
    assert all(file.url.startswith("https://") for file in sources)
