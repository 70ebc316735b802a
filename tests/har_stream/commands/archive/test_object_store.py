"""Recordings in a store are those of a folder: a real server of S3 has them, or memory."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes.stream_process import eager_copy, write_video

from har_stream.commands import stream
from har_stream.commands.archive.object_store import brought_here, find_clips
from har_stream.core.errors import InputError

fsspec = pytest.importorskip("fsspec", reason="no fsspec here: pip install 'har-stream[archive]'")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket of an S3 server on this machine."""
    pytest.importorskip("s3fs", reason="no s3fs here")
    server = pytest.importorskip("moto.server", reason="no moto here")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    store = server.ThreadedMotoServer("127.0.0.1", 0)
    store.start()
    host, port = store.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").mkdir("footage")
    yield "s3://footage"
    fsspec.filesystem("s3").clear_instance_cache()
    store.stop()


def test_a_bucket_gives_what_a_folder_gives(
    bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "hall"
    folder.mkdir()
    film = write_video(folder / "20261122T180000Z.mp4", 100)
    shutil.copy(film, folder / "20261122T181000Z.mp4")
    (folder / "20261122T182000Z.mp4").write_bytes(b"no video")
    fsspec.filesystem("s3").put(str(folder), "footage/", recursive=True)
    bundle = eager_copy(tmp_path / "eager")
    told = []
    for source, out in ((str(folder), "folder.jsonl"), (f"{bucket}/hall", "bucket.jsonl")):
        arguments = ["--archive", source, "--out", str(tmp_path / out), "--bundle", str(bundle)]
        assert stream.main([*arguments, "--workers", "1"]) == 1
        told.append(capsys.readouterr())
    assert (tmp_path / "bucket.jsonl").read_bytes() == (tmp_path / "folder.jsonl").read_bytes()
    assert f"not read: {bucket}/hall/20261122T182000Z.mp4: not a video" in told[1].err
    assert "3 recordings, 0 of them recognised" in told[1].out
    with pytest.raises(InputError, match="s3://nowhere: cannot be listed: "):
        find_clips("s3://nowhere")


def test_what_a_store_holds_is_listed_as_a_folder_is() -> None:
    store = fsspec.filesystem("memory")
    for name in ("b/2.MTS", "a/1.wmv", "a/notes", ".trash/4.mp4", "a/.5.mp4"):
        store.pipe(f"/footage/{name}", name.encode())
    found = find_clips("memory://footage")
    assert [clip.name for clip in found.clips] == ["a/1.wmv", "b/2.MTS"]
    assert found.passed_over == {"no suffix": 1}
    assert found == find_clips("memory://footage/")
    with brought_here(found.clips[0].path) as path:
        assert Path(path).read_bytes() == b"a/1.wmv"
    store.pipe("/footage/a/1.wmv", b"another")
    changed, same = find_clips("memory://footage").clips
    assert changed.changed_ns != found.clips[0].changed_ns
    assert same == found.clips[1]
    store.rm("/footage", recursive=True)
    with (
        pytest.raises(InputError, match=r"gone\.mp4: cannot be fetched"),
        brought_here("memory://gone.mp4"),
    ):
        pass


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("memory://empty", "memory://empty: "),
        ("nonsense://bucket", "nonsense://bucket: Protocol not known: nonsense"),
    ],
)
def test_a_store_without_recordings_is_refused(source: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        find_clips(source)
