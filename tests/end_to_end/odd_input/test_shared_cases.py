"""Every case of `shared/cases` through the real commands, outcome by outcome; a table with `-s`.

Those of clocks, homes and forecasters stand in tests of their own. What needs minutes, the real
clips' weights or a device is `slow`, or named as not run.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto, free_port, listening, retained
from support.processes.stream_process import har_stream, start_har_stream, sure_bundle
from support.video.file_server import FileServer
from support.video.video_source import ffmpeg

from har_stream.cameras.camera import read_camera
from har_stream.cameras.read_options import ReadOptions
from har_stream.commands import stream
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.frame import Frame
from predictor.commands import forecast, train_hmm
from predictor.logs.read_logs import read_logs
from training.commands import train_har

ELSEWHERE = ("clock_of_1970", "future_row", "two_forecasters", "two_homes", "utc_node")
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "har-stream": stream.main,
    "har-forecast": forecast.main,
    "train-hmm": train_hmm.main,
    "train-har": train_har.main,
}
SPORTS = ("--bundle", "lrcn-ucf")
"""It needs no weights from elsewhere."""
EXTRAS = ("hmmlearn", "sqlalchemy", "threadpoolctl", "sklearn", "jinja2", "scipy")


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[str, str, str]]]:
    """Case, command and outcome of all that was run; printed in the end."""
    rows: list[tuple[str, str, str]] = []
    yield rows
    print()
    for case, command, outcome in rows:
        print(f"{case:20} | {command:70.70} | {outcome:.150}")


@pytest.fixture
def case(shared: Path, request: pytest.FixtureRequest) -> Path:
    """The folder of the case that the test is named after."""
    name = request.function.__name__.removeprefix("test_").removesuffix("_learnt")
    folder = shared / "cases" / name.removesuffix("_live")
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


@pytest.fixture
def clip(shared: Path) -> Path:
    return shared / "data" / "ucf" / "TaiChi" / "v_TaiChi_g11_c01.mp4"


Run = Callable[..., tuple[int, str]]
Table = list[tuple[str, str, str]]


@pytest.fixture
def run(
    case: Path,
    table: Table,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Run:
    """Run a command's `main`; returns its status and all that it said."""

    def run(command: str, *words: str | Path) -> tuple[int, str]:
        caplog.clear()
        try:
            status = COMMANDS[command]([*map(str, words)])
        except SystemExit as end:
            status = int(end.code or 0)
        printed = capsys.readouterr()
        said = "\n".join([printed.out, *(r.getMessage() for r in caplog.records), printed.err])
        shown = " ".join(str(word).replace(f"{tmp_path}/", "") for word in (command, *words))
        lines = [line for line in said.splitlines() if line.strip()]
        outcome = lines[-1].replace(f"{case}/", "") if lines else ""
        table.append((case.name, shown.replace(f"{case}/", ""), f"{status}: {outcome}"))
        assert "Traceback" not in said
        return status, said

    return run


def test_every_case_has_a_test(shared: Path) -> None:
    cases = {path.name for path in (shared / "cases").iterdir() if path.is_dir()}
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert cases <= tested | set(ELSEWHERE), "a case that nothing replays"


def test_casas(case: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    assert run("train-hmm", "import", "casas", case / "no_value.txt", "--out", out)[0] == 0
    assert "Sleeping" in {each.activity for each in read_logs([str(out)]).sessions}
    status, said = run("train-hmm", "import", "casas", case / "per_event.txt", "--out", out)
    assert status == 2
    assert "without begin or end" in said


def test_duplicate_header(case: Path, run: Run, tmp_path: Path) -> None:
    for words in (
        ("train-hmm", case / "dup_start.csv", "--out", tmp_path / "m"),
        ("train-hmm", case / "dup_activity.csv", "--out", tmp_path / "m"),
        ("train-har", "cut", case / "cut.csv", "--out", tmp_path / "oc"),
    ):
        status, said = run(*words)
        assert status == 2
        assert re.search(r":1: two columns are named (start|activity|label); keep one", said)
        assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("name", "kept", "named"),
    [
        ("confidence", 3, "sensor.cam1_confidence: .* are numbers or times"),
        ("timestamp", 3, "sensor.home_next_start tells no activity"),
        ("event", 3, "event.cam1_event tells no activity"),
        ("person", 3, "person.anna tells no activity"),
        ("running_end", 2, "sensor.cam1_activity is sleeping since .*, without an end"),
        ("dup_state", None, "two columns are named state"),
        ("unclosed_quote_big", None, "a quote opens here and is not closed"),
    ],
)
def test_ha_history(
    case: Path, run: Run, tmp_path: Path, name: str, kept: int | None, named: str
) -> None:
    out = tmp_path / "o.csv"
    words = ("import", "home-assistant", case / f"{name}.csv", "--out", out)
    status, said = run("train-hmm", *words)
    assert re.search(named, said)
    assert status == (2 if kept is None else 0)
    if kept is not None:
        activities = [each.activity for each in read_logs([str(out)]).sessions]
        assert activities == ["cooking", "eating", "sleeping"][:kept]


def test_unclosed_quote(case: Path, run: Run, tmp_path: Path) -> None:
    state = ("--state-dir", tmp_path / "state")
    for words in (
        ("train-hmm", case / "log.csv", "--out", tmp_path / "m"),
        ("har-forecast", "--import", case / "log.csv", *state),
        ("train-hmm", "import", "kasteren", case / "kasteren.csv", "--out", tmp_path / "o.csv"),
    ):
        status, said = run(*words)
        assert status == 2
        assert re.search(r"\.csv:(11|2): a quote opens here and is not closed", said)


def test_topics_not_checked(case: Path, run: Run) -> None:
    for command in ("har-stream", "har-forecast"):
        status, said = run(command, "--config", case / "wild.yaml")
        assert status == 2
        assert "base_topic" in said
        assert "discovery.prefix" in said
    for name, expected in (("wild", 2), ("slash", 0)):
        assert run("har-stream", "--check-config", case / f"{name}.yaml", *SPORTS)[0] == expected


def test_poor_messages(case: Path, run: Run, tmp_path: Path, clip: Path) -> None:
    state = ("--state-dir", tmp_path / "state")
    for name in ("semi.csv", "tab.csv", "plain.csv.gz"):
        assert run("har-forecast", "--import", case / name, *state)[0] == 0
    for name in ("map.yaml", "brokerstr.yaml"):
        assert run("har-stream", "--check-config", case / name, *SPORTS)[0] == 0
    twins = [f"rtsp://10.0.0.{n}/stream1" for n in (1, 2)]
    away = ("--broker", f"mqtt://127.0.0.1:{free_port()}", "--fail-fast", *SPORTS, *state)
    picture = tmp_path / "still.jpg"
    ffmpeg("-i", clip, "-frames:v", "1", picture)
    for words, says in (
        (
            ("train-har", "cut", case / "semi_cut.csv", "--out", tmp_path / "oc"),
            "no such recording",
        ),
        (
            ("har-stream", "--camera", twins[0], "--camera", twins[1], *away),
            "two cameras are called stream1; give each a name of its own: --camera NAME=SRC",
        ),
        (("har-stream", "--camera", "/dev/video97", *away, "--check"), "--list-cameras shows"),
        (("har-forecast", "--journal", "mysql://h/x", *state), "mysql"),
        (
            ("har-stream", "--camera", case / "music.mp3", *away),
            "not a video: there is sound alone, or with a",
        ),
    ):
        status, said = run(*words)
        assert status == 2
        assert says in said
        assert "Input should be" not in said
    with FileServer({"still.jpg": picture.read_bytes()}) as server:
        still = run("har-stream", "--camera", f"{server.url}/still.jpg", *away, "--check")
    assert "it is one still picture; give the address of the camera's stream" in still[1]


@pytest.mark.slow
def test_poor_messages_learnt(case: Path, run: Run, tmp_path: Path) -> None:
    for name in ("semi.csv", "tab.csv", "plain.csv.gz"):
        assert run("train-hmm", case / name, "--out", tmp_path / "m")[0] == 0
    hints = ("--labels", "a,b", "--colour", "bgr", "--sample-hz", "5")
    said = run("train-har", "import", tmp_path / "missing.h5", *hints)[1]
    assert "missing.h5: there is no such file" in said


def test_interlaced(case: Path, run: Run, tmp_path: Path, mosquitto: Mosquitto) -> None:
    greys = {}
    for name in ("interlaced", "progressive"):
        path = case / f"{name}.mp4"
        items = read_camera(CameraSettings(source=str(path)), ReadOptions(sample_hz=5))
        greys[name] = [float(item.image.mean()) for item in items if isinstance(item, Frame)]
        words = ("--camera", path, "--state-dir", tmp_path / "state", "--broker", mosquitto.url)
        status, said = run("har-stream", *words, *SPORTS, "--check")
        assert re.search(rf"^ok +camera {name}: ", said, re.MULTILINE), status
    assert greys["interlaced"] == pytest.approx(greys["progressive"], abs=3)
    assert greys["interlaced"][0] == pytest.approx(127, abs=10)


@pytest.mark.slow
def test_interlaced_learnt(run: Run, tmp_path: Path, mosquitto: Mosquitto, clip: Path) -> None:
    state = (*sure_bundle(tmp_path), "--state-dir", tmp_path / "state", "--broker", mosquitto.url)
    fields = ("-flags", "+ildct+ilme", "-x264opts", "tff=1")
    for name, how in (("p", ()), ("i", ("-vf", "setfield=tff", *fields))):
        ffmpeg("-i", clip, *how, "-c:v", "libx264", "-pix_fmt", "yuv420p", tmp_path / f"{name}.mp4")
        events = tmp_path / f"{name}.jsonl"
        words = ("--camera", tmp_path / f"{name}.mp4", *state, "--record-events", events)
        assert run("har-stream", *words)[0] == 0
        assert '"TaiChi"' in events.read_text()


def test_no_extras(case: Path, table: Table, tmp_path: Path) -> None:
    """As on a plain `pip install`: importing what the extras bring fails as it does there."""
    log = case.parent / "poor_messages" / "semi.csv"
    script = (
        "import sys\n"
        f"for name in {EXTRAS}: sys.modules[name] = None\n"
        "from predictor.commands import forecast, train_hmm\n"
        f"log, out = {str(log)!r}, {str(tmp_path / 'out')!r}\n"
        "for words in ([log, '--out', out], ['evaluate', log], ['compare', log], ['show', out]):\n"
        "    print('train-hmm', *words, train_hmm.main(words), flush=True)\n"
        "for words in (['--export', out + '.csv'], ['--import', log]):\n"
        "    words += ['--state-dir', out]\n"
        "    print('har-forecast', *words, forecast.main(words), flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    for command, said in zip(ended.stdout.splitlines(), ended.stderr.splitlines(), strict=True):
        table.append((case.name, command, said))
        assert command.endswith(" 2")
        assert re.search(r": \w+ is not installed: pip install 'har-stream\[forecast\]'$", said)
    assert len(ended.stdout.splitlines()) == 6


@pytest.mark.slow
def test_camera_password(
    case: Path, run: Run, tmp_path: Path, mosquitto: Mosquitto, table: Table
) -> None:
    logins = ("cam:p[x", "anna:geheim?1", "anna:ge heim1", "anna:ge#he]im%1")
    state = (*SPORTS, "--state-dir", tmp_path / "state", "--broker", mosquitto.url)
    for n, login in enumerate(logins):
        source = f"rtsp://{login}@127.0.0.1:9/live{n}"
        status, said = run("har-stream", "--camera", source, *state, "--fail-fast")
        assert status == 2
        assert f"har-stream: rtsp://***@127.0.0.1:9/live{n}: cannot be opened" in said
        assert not any(part in said for part in login.split(":")[1:])
    cameras = [
        word
        for n, login in enumerate(logins)
        for word in ("--camera", f"rtsp://{login}@127.0.0.1:9/live{n}")
    ]
    process = start_har_stream(*cameras, *state, "--node", "n1")
    try:
        with listening(mosquitto.port, "har/n1/+/availability") as listener:
            listener.wait_for(lambda came: len(came) >= len(logins))
            kept = retained(mosquitto)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    wire = str(kept)
    for login in logins:
        secret = login.partition(":")[2]
        assert not any(part in wire + said for part in (secret, secret[:3], "anna"))
    table.append((case.name, "har-stream with four of them", f"{len(kept)} topics, none tells"))


@pytest.mark.slow
def test_container_hostname(
    case: Path, tmp_path: Path, mosquitto: Mosquitto, table: Table, clip: Path
) -> None:
    """Two host names, one state directory: unshare wants root."""
    state = tmp_path / "state"

    def container(host: str, broker: str) -> str:
        words = [sys.executable, "-m", "har_stream.commands.stream", "--camera", str(clip)]
        words += [*map(str, sure_bundle(tmp_path)), "--state-dir", str(state), "--broker", broker]
        inside = ["unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$@"', "sh", *words]
        ended = subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)
        if "unshare failed" in ended.stderr:
            pytest.skip("only root may give a process a host name")
        assert ended.returncode == 0, ended.stderr
        return ended.stderr

    said = container("3f2a9c1d77ab", f"mqtt://127.0.0.1:{free_port()}")
    (waiting,) = re.findall(r"(\d+) events wait in the outbox", said)
    with listening(mosquitto.port, "har/+/+/event") as listener:
        container("8be0c54e21f0", mosquitto.url)
        came = listener.wait_for(lambda messages: len(messages) >= 2 * int(waiting))
    nodes = {message.topic.split("/")[1] for message in came}
    devices = {topic.split("/")[2] for topic in retained(mosquitto) if "homeassistant/" in topic}
    assert len(nodes) == 1
    assert len({device.split("_")[0] for device in devices}) == 1
    table.append((case.name, "two host names", f"{waiting} events waited and came, of {nodes}"))


@pytest.mark.slow
def test_one_fps(
    case: Path, clip: Path, tmp_path: Path, mosquitto: Mosquitto, table: Table
) -> None:
    state = (*sure_bundle(tmp_path), "--state-dir", tmp_path / "state", "--broker", mosquitto.url)
    for rate in ("1", "0.4"):
        low = tmp_path / f"low{rate}.mp4"
        ffmpeg("-stream_loop", "3", "-i", clip, "-r", rate, "-t", "24", low)
        recorded = tmp_path / f"e{rate}.jsonl"
        ended = har_stream("--camera", low, *state, "--record-events", recorded)
        assert ended.returncode == 0, ended.stderr
        started = recorded.exists() and "TaiChi" in recorded.read_text()
        told = "too few to recognise anything by" in ended.stderr
        table.append((case.name, f"low.mp4 at {rate} a second", f"TaiChi {started}, told {told}"))
        assert started or told
        assert told is (rate != "1")


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["1", "0.4"])
def test_one_fps_live(
    case: Path, clip: Path, tmp_path: Path, mosquitto: Mosquitto, table: Table, rate: str
) -> None:
    port = str(free_port())
    camera = subprocess.Popen([sys.executable, str(case / "mjpeg.py"), port, str(clip), rate])
    state = (*sure_bundle(tmp_path), "--state-dir", tmp_path / "state", "--broker", mosquitto.url)
    slow = f"slow=http://127.0.0.1:{port}/video"
    process = start_har_stream("--node", "n1", "--camera", slow, *state)
    try:
        with listening(mosquitto.port, "har/n1/slow/#") as listener:
            if rate == "1":
                listener.wait_for(lambda _: listener.on("har/n1/slow/event"), timeout_s=60)
            else:
                listener.wait_for(
                    lambda _: b"offline" in listener.on("har/n1/slow/availability"), timeout_s=60
                )
                assert process.stderr is not None
                assert any("a frame a second or more" in line for line in process.stderr)
    finally:
        process.terminate()
        process.communicate(timeout=60)
        camera.kill()
        camera.wait()
    table.append(("one_fps", f"mjpeg.py at {rate} a second", "as it should"))


@pytest.mark.slow
def test_live_mp4_url(
    case: Path, clip: Path, tmp_path: Path, mosquitto: Mosquitto, table: Table
) -> None:
    """The stream is waited for, read, and reopened once it is back."""
    shutil.copy(clip, tmp_path / "long_p.mp4")
    words = [sys.executable, str(case / "server.py")]
    source = "http://127.0.0.1:28672/api/stream.mp4?src=cam1"
    state = (*SPORTS, "--state-dir", tmp_path / "state", "--broker", mosquitto.url, "--node", "n1")
    process = start_har_stream("--camera", f"cam={source}", *state)
    topic = "har/n1/cam/availability"
    try:
        with listening(mosquitto.port, topic) as listener:
            for n_online in (1, 2):
                server = subprocess.Popen(words, cwd=tmp_path)
                try:
                    listener.wait_for(
                        lambda _, n=n_online: listener.on(topic).count(b"online") >= n, timeout_s=40
                    )
                finally:
                    server.kill()
                    server.wait()
                listener.wait_for(lambda _: listener.on(topic)[-1] == b"offline", timeout_s=60)
        assert process.poll() is None, "it waits for the stream"
    finally:
        process.terminate()
        process.communicate(timeout=60)
    table.append((case.name, "killed and started again", "waited for and reopened"))
