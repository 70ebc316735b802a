"""Whatever a person may hand over, valid or odd, is read or refused in one line; never a traceback.

Inputs are valid ones, damaged: bytes changed, cut, dropped, repeated, put in, nested, written in
another encoding. `make test-long` tries many more and prints its counts.
"""

import io
import random
import shlex
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path

import pytest
from support.event_builder import living
from support.files.mutations import ODD, mutate
from support.repository import ROOT

from fleet.commands import fleet
from har_stream.commands import demo, stream_arguments
from har_stream.commands.archive.clip_list import list_clips
from har_stream.commands.archive.event_table import write_table
from har_stream.commands.archive.start_times import name_reader
from har_stream.config.secret_file import read_secret
from har_stream.config.settings import load_settings
from har_stream.core.errors import InputError
from har_stream.mqtt.brokers import embedded_broker
from page.commands import har, page
from predictor.commands import forecast, train_hmm_arguments
from predictor.logs.event_file import write_events
from predictor.logs.other_formats import read_other_format
from predictor.logs.read_logs import read_events, read_logs
from predictor.models import store
from training.benchmark import bench
from training.collect.labels import read_labels
from training.commands import arguments as train_har_arguments
from training.commands import sim
from training.config import DataConfig, SplitConfig, read_config
from training.data.official_lists import read_official_split

N_SHORT, N_LONG = 15, 300
NESTED = (b"[" * 100_000, b'{"a":' * 50_000, b"(" * 100_000, b"- " * 20_000)
"""Deeper than Python's stack."""

LOG = (
    "start,end,activity,room\n"
    "2011-11-28 02:27:59,2011-11-28 10:18:11,Sleeping,bedroom\n"
    "2011-11-28 10:21:24,2011-11-28 10:23:36,Toileting,bathroom\n"
    "2011-11-28 10:50:00,2011-11-28 11:39:00,Leaving,\n"
)
FOREIGN = {
    "casas": "2011-06-15 00:06:32 M021 ON Sleep begin\n2011-06-15 03:38:28 M021 OFF Sleep end\n",
    "ordonez": "Start time\tEnd\tActivity\n2011-11-28 02:27:59\t2011-11-28 10:18:11\tSleeping\n",
    "kasteren": "10: go to bed\n25-Feb-2008 00:22:46\t25-Feb-2008 09:34:12\t10\n",
    "home-assistant": "entity_id,state,last_changed\n"
    "sensor.cam_activity,cooking,2026-03-02T17:00:00.000Z\n"
    "sensor.cam_activity,idle,2026-03-02T17:30:00.000Z\n",
}


def _events(path: Path) -> bytes:
    if path.suffix == ".parquet":
        write_table(((event, "a.mp4") for event in living(days=1)), path)
    else:
        write_events(living(days=1), path)
    return path.read_bytes()


def _read_tables(path: Path) -> None:
    for read in (lambda: read_logs([str(path)]), lambda: list(read_events(path))):
        with suppress(InputError):
            read()
    read_logs([str(path)])


def _read_secret(path: Path) -> None:
    path.chmod(0o600)
    read_secret(path, "password")


def _read_names(path: Path) -> None:
    pattern = path.read_bytes().decode(errors="surrogateescape")
    name_reader(pattern)("2026-11-22/18/hall/02.11.mp4")


def _read_gmdcsa(path: Path) -> None:
    (path.parent / "Subject_1" / "Fall").mkdir(parents=True, exist_ok=True)
    (path.parent / "Subject_1" / "Fall" / "01.mp4").touch()
    shutil.copy(path, path.parent / "Subject_1" / "Fall.csv")
    read_labels(path.parent)


def _read_split(path: Path) -> None:
    shutil.copy(path, path.with_name("trainlist01.txt"))
    read_official_split([], SplitConfig(by="official"), DataConfig(lists=path.parent))


def _model(path: Path) -> bytes:
    version = store.save(store.create("hmm"), path.with_name("model"))
    return (version / path.name).read_bytes()


def _read_model(path: Path) -> None:
    (version,) = path.with_name("model").glob("v*")
    whole = (version / path.name).read_bytes()
    (version / path.name).write_bytes(path.read_bytes())
    try:
        store.load(version)
    finally:
        (version / path.name).write_bytes(whole)


Reader = Callable[[Path], object]
READERS: dict[str, tuple[str, bytes | Callable[[Path], bytes], Reader]] = {
    "log": ("log.csv", LOG.encode(), _read_tables),
    "export": ("export.csv", _events, _read_tables),
    "json lines": ("events.jsonl", _events, _read_tables),
    "parquet": ("events.parquet", _events, _read_tables),
    **{
        kind: ("theirs.txt", text.encode(), partial(read_other_format, kind=kind))
        for kind, text in FOREIGN.items()
    },
    "split": ("testlist01.txt", b"Walk/v_Walk_g01_c01.avi 1\nRun/a b.mp4\n", _read_split),
    "model": ("model.json", _model, _read_model),
    "arrays": ("arrays.npz", _model, _read_model),
    "labels": ("cut.csv", b"file,start_s,end_s,label\ncut.csv,0,3,walk\n", read_labels),
    "gmdcsa": (
        "theirs.csv",
        b"File,Classes\n01.mp4,Walking [0 to 2.5] Fall (F) [3 to 4]\n",
        _read_gmdcsa,
    ),
    "list of clips": ("list.txt", b"list.txt\n# none\nother.mp4\n", list_clips),
    "clip names": ("pattern.txt", b"%Y-%m-%d/%H/{camera}/%M.%S", _read_names),
    "password": ("secret", "pässword\n".encode(), _read_secret),
    "settings": ("s.yaml", (ROOT / "configs" / "har-stream.yaml").read_bytes(), load_settings),
    "run": ("run.yaml", (ROOT / "configs" / "lrcn-ucf.yaml").read_bytes(), read_config),
}


def _damage(valid: bytes, seed: int) -> bytes:
    """Damage, nest or recode what is valid; the first seed leaves it as it is."""
    draw = random.Random(f"odd {seed}")
    if seed == 0:
        return valid
    if draw.random() < 0.1:
        at = draw.randint(0, len(valid))
        return valid[:at] + draw.choice(NESTED) + valid[at:]
    if draw.random() < 0.1:
        text = valid.decode("utf-8", "replace")
        return text.encode(draw.choice(("utf-16", "utf-16-le", "latin-1", "utf-8-sig")), "replace")
    return mutate(valid, seed)


MANY = pytest.mark.parametrize(
    "n", [pytest.param(N_SHORT, id="few"), pytest.param(N_LONG, id="many", marks=pytest.mark.slow)]
)


@pytest.fixture(scope="module")
def tally() -> Iterator[Counter[str]]:
    """Inputs tried, by reader or command; a traceback fails its test, so there is none among them.

    Printed in the end.
    """
    tried: Counter[str] = Counter()
    yield tried
    print(f"\ninputs tried: {tried.total()}, by {len(tried)} readers and parsers; tracebacks: 0")


def test_every_command_is_tried() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert PARSERS.keys() == scripts.keys()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", READERS)
@MANY
def test_a_reader_reads_or_refuses(tmp_path: Path, kind: str, n: int, tally: Counter[str]) -> None:
    name, made, read = READERS[kind]
    path = tmp_path / name
    valid = made if isinstance(made, bytes) else made(path)
    counts: Counter[str] = Counter()
    for seed in range(n):
        path.write_bytes(_damage(valid, seed))
        try:
            read(path)
            counts["read"] += 1
        except InputError as error:
            counts["refused"] += 1
            assert str(error).strip()
            assert "\n" not in str(error) or path.suffix == ".yaml"  # a line for each problem
            assert seed, "what is valid is read"
    tally[kind] += n
    print(f"{kind}: {n} inputs, {dict(counts)}, tracebacks: 0")
    assert counts["read"]


def _stream(words: Sequence[str]) -> None:
    stream_arguments.read_settings(stream_arguments.make_parser().parse_args(words))


def _forecast(words: Sequence[str]) -> None:
    forecast._settings(forecast.make_parser().parse_args(words))


PARSERS: dict[str, tuple[str, Callable[[Sequence[str]], object]]] = {
    "har-stream": (stream_arguments.EXAMPLES, _stream),
    "har-forecast": (forecast.EXAMPLES, _forecast),
    "train-hmm": (
        train_hmm_arguments.EXAMPLES,
        lambda words: train_hmm_arguments.make_parser().parse_args(words),
    ),
    "train-har": (
        train_har_arguments.EXAMPLES,
        lambda words: train_har_arguments.make_parser().parse_args(words),
    ),
    "har-sim": (
        "  har-sim record --seed 7 --out a.mp4 --seconds 60   x\n  har-sim score --seed 7 8   y",
        lambda words: sim.make_parser().parse_args(words),
    ),
    "har-bench": (
        "  har-bench --quick --json figures.json    x",
        lambda words: bench.make_parser().parse_args(words),
    ),
    "har-broker": (
        "  har-broker --host 127.0.0.1 --port 1884    x",
        lambda words: embedded_broker.make_parser().parse_args(words),
    ),
    "har-page": (
        page.EXAMPLES,
        lambda words: page._settings(page.make_parser().parse_args(words)),
    ),
    "har": (har.EXAMPLES, lambda words: har.make_parser().parse_args(words)),
    "har-fleet": (fleet.EXAMPLES, lambda words: fleet.make_parser().parse_args(words)),
    "har-demo": (
        "  har-demo --camera 0 --seed 3    x",
        lambda words: demo.make_parser().parse_args(words),
    ),
}
ODD_WORDS = (
    *(word.decode(errors="surrogateescape") for word in ODD if b"\0" not in word),
    *("", " ", "--", "-", "--no", "--=", "nan", "inf", "-inf", "1e400", "9" * 5000, "0x10", "1_0"),
    *("2026-13-01", "0001-01-01", "9999-12-31T23:59:59+23:59", "rtsp://a:b@[::1", "mqtt://h:99999"),
    *("sim:", "sim:x", "a" * 5000, "\u2028", "%Y", "{camera}", "~nobody/x", "//", "\ud800"),
)


def _examples(text: str, command: str) -> list[list[str]]:
    """The examples of a command's help, without what is said of them."""
    lines = [line.strip().split("   ")[0] for line in text.splitlines()]
    return [shlex.split(line.rstrip("\\"))[1:] for line in lines if line.startswith(f"{command} ")]


def _mix(examples: Sequence[list[str]], seed: int) -> list[str]:
    draw = random.Random(f"words {seed}")
    words = list(draw.choice(examples))
    for _ in range(draw.randint(0, 3)):
        at = draw.randint(0, len(words))
        other = draw.choice(draw.choice(examples) or [""])
        new = draw.choice((draw.choice(ODD_WORDS), other, f"{other}={draw.choice(ODD_WORDS)}"))
        words[at : at + draw.randint(0, 2)] = [new] * draw.randint(0, 1)
    return words


@pytest.mark.parametrize("command", PARSERS)
@MANY
def test_a_parser_takes_or_refuses(
    command: str, n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Counter[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text, parse = PARSERS[command]
    examples = _examples(text, command)
    assert examples
    counts: Counter[str] = Counter()
    said = io.TextIOWrapper(io.BytesIO(), errors="backslashreplace")  # as Python's own is
    for seed in range(n):
        try:
            with redirect_stderr(said), redirect_stdout(said):
                parse(_mix(examples, seed))
            counts["taken"] += 1
        except InputError as error:
            counts["refused"] += 1
            assert str(error).strip()
        except SystemExit as end:
            assert end.code in (0, 2)
            counts["refused" if end.code else "help"] += 1
    tally[command] += n
    print(f"{command}: {n} lines, {dict(counts)}, tracebacks: 0")
    assert counts["taken"]
