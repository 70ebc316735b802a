"""`har-fleet` says what it does, keeps the plan, and ends with one line where it cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.broker.real_broker import free_port

from fleet.commands.fleet import main
from har_stream.core.errors import InputError


def test_plan_shows_where_lots_run_and_what_a_change_touches(
    write_fleet: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_fleet(7)
    assert main(["plan", "--dry-run", str(path)]) == 0
    assert not (path.parent / "plan.csv").exists()
    assert main(["plan", str(path)]) == 0
    *_, first = capsys.readouterr().out.split("machine", 2)
    assert first.splitlines()[1:4] == [
        "m1             4       6       2",
        "m2             3       6       1",
        "cameras: 7, lots: 3, homes: 4, partitions: 2",
    ]
    assert "lots new: 3 (city-00001, city-00002, city-00003)" in first
    write_fleet(8)
    assert main(["plan", str(path)]) == 0
    said = capsys.readouterr().out
    assert "lots with other cameras: 1 (city-00003)\nlots that nothing touches: 2" in said


def test_acl_is_of_the_kept_plan(
    write_fleet: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_fleet(7)
    assert main(["acl", str(path)]) == 2
    assert "run har-fleet plan first" in capsys.readouterr().err
    assert main(["plan", str(path)]) == 0
    capsys.readouterr()
    assert main(["acl", str(path), "--logins", str(tmp_path / "logins")]) == 0
    printed = capsys.readouterr()
    assert "fleet.yaml: nobody signs in with them until it says logins: FOLDER\n" in printed.err
    assert printed.out.startswith("user city-00001\ntopic readwrite har/city-00001/#\n\nuser")
    assert "logins: 5 in all, 5 new\n" in printed.err
    path.write_text(f"{path.read_text()}logins: logins\n")
    assert main(["acl", str(path), "--logins", str(tmp_path / "logins")]) == 0
    assert capsys.readouterr().err.endswith("logins: 5 in all, 0 new\n")


@pytest.mark.parametrize(
    "given",
    [["move", "FLEET", "l1"], ["move", "FLEET", "l1", "m1", "--undo"], ["scale", "FLEET", "m1"]],
)
def test_an_order_is_given_or_taken_back(
    given: list[str], write_fleet: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_fleet(2)
    assert main([str(path) if each == "FLEET" else each for each in given]) == 2
    assert "or --undo and no" in capsys.readouterr().err


def test_a_mistake_is_one_line_and_status_2(
    write_fleet: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_fleet(20)
    assert main(["plan", str(path)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("har-fleet: no machine has room for lot")
    assert not said.out
    assert not (path.parent / "plan.csv").exists()


@pytest.mark.parametrize(
    "command", [["run", "fleet.yaml"], ["archive", "f", "--out", "o"], ["fit", "c.yaml"]]
)
@pytest.mark.parametrize("address", ["nonsense", "http://h:1", "m1:", ":6379 ", "m1:65536"])
def test_what_is_no_address_of_a_ray_is_refused_at_once(
    command: list[str], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--address", address])
    assert f"{address!r} is no address of a Ray: auto, HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_no_ray_answers_one_line_says_so(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself said so after ten minutes, or never."""
    ray_workers = pytest.importorskip("fleet.cluster.ray_workers", reason="no ray here")
    monkeypatch.setattr(ray_workers.ray, "is_initialized", lambda: False)
    address = f"{scheme}127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match=f"^--address {address}: no Ray answers there: .*refused"):
        ray_workers.start_ray((), address=address)


def test_run_says_a_mistake_before_it_starts_a_ray(
    write_fleet: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ray", reason="no ray here")
    started: list[object] = []
    monkeypatch.setattr(
        "fleet.cluster.ray_workers.start_ray", lambda *told, **_: started.append(told)
    )
    path = write_fleet(7)
    assert main(["run", str(path)]) == 2
    assert "run har-fleet plan first" in capsys.readouterr().err
    assert main(["plan", str(path)]) == 0
    assert main(["run", str(path)]) == 2
    assert "database is missing: a line such as database: postgresql://" in capsys.readouterr().err
    assert not started
