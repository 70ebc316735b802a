"""No YAML, however hostile, takes long or much memory, or more than a line to refuse."""

import time
from pathlib import Path

import pytest
from support.files.mutations import mutate
from support.processes.measured import run_python
from support.repository import ROOT

from har_stream.config import settings
from har_stream.core.errors import InputError
from training import config as configs

_NINE = [("abcdefgh"[n], "bcdefghi"[n]) for n in range(8)]
LAUGHS = "".join(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in _NINE)
MERGES = "".join(f"{new}: &{new} {{<<: [{','.join([f'*{old}'] * 9)}]}}\n" for old, new in _NINE)
HOSTILE = {
    "a billion laughs": "a: &a [x]\n" + LAUGHS,
    "a billion merges": "a: &a {x: 1}\n" + MERGES,
    "a list in itself": "a: &a [*a]\n",
    "a mapping in itself": "a: &a {b: *a}\n",
    "a mapping as its key": "&a {*a : 1}\n",
    "a mapping merged with itself": "a: &a\n  <<: *a\n",
    "deep lists": "[" * 100_000,
    "deep mappings": "{a: " * 20_000,
    "deep blocks": "".join(" " * n + "a:\n" for n in range(600)),
    "deep dashes": "- " * 50_000,
    "a huge file": "a: 1\n" * 500_000,
    "many cameras": f"cameras: [{','.join(['{source: 0}'] * 4000)}]",
    "many unknown keys": "".join(f"k{n}: 1\n" for n in range(2400)),
    "a long number": "metrics_port: " + "9" * 150_000,
    "a number of base 60": "metrics_port: " + ":".join(["1"] * 90_000),
    "no date": "node: 2026-13-45",
    "no number": "node: !!int x",
    "no truth": "node: !!bool x",
    "no time": "node: !!timestamp x",
    "an odd key": ".nan: 1",
    "a list as key": "? [1]\n: 2",
    "a character that is none": "node: \0",
    "many anchors": "node: " + "&x " * 50_000,
}
READ = """
import pathlib, sys, time
from har_stream.config.settings import load_settings
from har_stream.core.errors import InputError
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()) + [pathlib.Path("/dev/zero")]:
    began_s = time.process_time()
    try:
        load_settings(path)
    except InputError as error:
        print(f"{time.process_time() - began_s:.1f} s: {error}".splitlines()[0])
"""


def test_hostile_yaml_is_refused_in_a_line(tmp_path: Path) -> None:
    for name, text in HOSTILE.items():
        (tmp_path / name).write_text(text)
    run = run_python(READ, str(tmp_path))
    assert run.status == 0, run.output
    assert "Traceback" not in run.output
    lines = run.output.splitlines()
    assert len(lines) == len(HOSTILE) + 1, run.output
    assert max(float(line.split(" s: ")[0]) for line in lines) < 2.0, run.output
    assert run.peak_mb < 300


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("node: x\nhome: 2026-13-45\n", ":2: not valid YAML: '2026-13-45' is no timestamp"),
        ("node: x\na: &a [*a]\n", ":2: not valid YAML: more than 5000 values or 32 levels"),
    ],
)
def test_the_line_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "har.yaml"
    path.write_text(text)
    run = run_python(READ, str(tmp_path))
    assert says in run.output


def test_anchors_are_no_offence(tmp_path: Path) -> None:
    rule = "{name: a, activity: b, within: 15min, probability: 0.5, topic: t}"
    text = f"forecast:\n  rules:\n  - &a {rule}\n  - {{<<: *a, name: c}}\n"
    (tmp_path / "har.yaml").write_text(text)
    assert run_python(READ, str(tmp_path)).output.count("\n") == 1  # /dev/zero's


@pytest.mark.parametrize(
    "n", [pytest.param(30, id="short"), pytest.param(300, id="long", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", ["har-stream.yaml", "har-forecast.yaml", "lrcn-ucf.yaml"])
def test_mutations_of_valid_yaml(tmp_path: Path, name: str, n: int) -> None:
    read = configs.read_config if name == "lrcn-ucf.yaml" else settings.load_settings
    valid = (ROOT / "configs" / name).read_bytes()
    path = tmp_path / name
    counts = {"read": 0, "refused": 0}
    longest_s = 0.0
    for seed in range(n):
        path.write_bytes(mutate(valid, seed))
        began_s = time.process_time()
        try:
            read(path)
            counts["read"] += 1
        except InputError as error:  # a line for each problem of a file
            assert all(line.startswith(str(path)) for line in str(error).split("\n"))
            counts["refused"] += 1
        longest_s = max(longest_s, time.process_time() - began_s)
    print(f"{name}: {n} mutations, {counts}, longest {longest_s:.2f} s, 0 tracebacks")
    assert longest_s < 2.0
    assert counts["refused"] > n / 4


def test_text_of_another_encoding_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "har.yaml"
    path.write_bytes("node: a\nhome: Küche\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"har\.yaml:2: is not UTF-8 text; save it as UTF-8"):
        settings.load_settings(path)
