"""What `har-forecast` deletes, it has never heard of: in journal, model, broker and discovery."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support.broker.real_broker import Listener, Mosquitto
from support.event_builder import living, started
from support.processes.forecast_process import HarForecast, Node, har_forecast

from har_stream.mqtt.messages import Forecast
from predictor.commands.forecast import main
from predictor.logs.event_file import write_events

FORECAST = "har/home/h1/forecast"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run `har-forecast` in this process; returns the lines that it prints."""

    def run(*words: str | Path) -> list[str]:
        assert main([str(word) for word in words]) == 0
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return said.out.splitlines()

    return run


def test_what_is_to_be_forgotten_is_counted_first_and_then_deleted(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    events = list(living(days=4))
    before = events[0].started_at.date().replace(day=7).isoformat()
    young = [one for one in events if one.started_at.date().isoformat() >= before]
    write_events(events, tmp_path / "all.jsonl")
    write_events(young, tmp_path / "young.jsonl")
    state = ("--state-dir", tmp_path / "state")
    run(*state, "--import", tmp_path / "all.jsonl")
    told = f"{len(events) - len(young)} events from before {before} 00:00"
    dry = run(*state, "--delete", f"..{before}", "--dry-run")
    assert dry == [f"{told} would be deleted"]
    assert run(*state, "--delete", f"..{before}") == [f"{told} are deleted"]
    run(*state, "--export", tmp_path / "left.jsonl")
    assert (tmp_path / "left.jsonl").read_bytes() == (tmp_path / "young.jsonl").read_bytes()


def test_a_deprecated_flag_works_as_before_and_says_what_to_use(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_events(living(days=4), tmp_path / "all.jsonl")
    main(["--state-dir", str(tmp_path), "--import", str(tmp_path / "all.jsonl")])
    capsys.readouterr()
    assert main(["--state-dir", str(tmp_path), "--forget-before", "2100-01-01"]) == 0
    said = capsys.readouterr()
    assert "events from before 2100-01-01 00:00 are deleted" in said.out
    assert said.err == (
        "--forget-before DATE still works, and will be gone in 2.0: use --delete ..DATE\n"
    )


@pytest.mark.parametrize("flag", ["--delete", "--forget-before", "--forget-camera"])
def test_nothing_given_is_refused_and_starts_no_forecaster(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([flag, "", "--state-dir", str(tmp_path)]) == 2
    assert flag in capsys.readouterr().err


def test_a_span_of_time_leaves_and_an_import_brings_it_back(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    events = list(living(days=4))
    day = events[0].started_at.date() + timedelta(days=1)
    span = f"{day}..{day + timedelta(days=1)}"
    left = [one for one in events if one.started_at.astimezone().date() != day]
    write_events(events, tmp_path / "all.jsonl")
    write_events(left, tmp_path / "left.jsonl")
    state = ("--state-dir", tmp_path / "state")
    run(*state, "--import", tmp_path / "all.jsonl")
    n_deleted = len(events) - len(left)
    told = f"{n_deleted} events from {day} 00:00 to {day + timedelta(days=1)} 00:00"
    assert run(*state, "--delete", span, "--dry-run") == [f"{told} would be deleted"]
    assert run(*state, "--delete", span)[0] == f"{told} are deleted"
    run(*state, "--export", tmp_path / "then.jsonl")
    then = (tmp_path / "then.jsonl").read_text().splitlines()
    (ended,) = [line for line in then if '"activity_ended"' in line]
    last_before = next(one for one in reversed(left) if one.started_at.astimezone().date() < day)
    assert f'"activity":"{last_before.activity}"' in ended, "it ends with its own day"
    then.remove(ended)
    assert then == (tmp_path / "left.jsonl").read_text().splitlines()
    assert f"{n_deleted} new events" in run(*state, "--import", tmp_path / "all.jsonl")[-1]


def test_a_test_clip_leaves_journal_model_broker_and_discovery(
    mosquitto: Mosquitto, run: Callable[..., list[str]], tmp_path: Path
) -> None:
    """While the forecaster runs; the node gives all out once more, and nothing comes back."""
    events = list(living(days=3))
    begun = events[-1].started_at
    clip = [
        started(
            "juggling",
            seq=seq,
            minute=0,
            node="desk",
            camera="clip",
            started_at=begun + timedelta(minutes=seq),
        )
        for seq in (1, 2, 4)
    ]
    state = ("--state-dir", tmp_path / "state")
    wire = ("--broker", mosquitto.url, "--home", "h1")
    discovery = "homeassistant/sensor/desk_clip/activity/config"
    node, desk = Node(mosquitto.port, events), Listener(mosquitto.port, "har/desk/#", discovery)
    try:
        with HarForecast(mosquitto.url, tmp_path / "state") as process:
            node.wait_until_online()
            node.send(*events)
            node.wait_until_acknowledged(len(events))
            for topic in ("har/desk/clip/activity/attributes", discovery):
                desk.publish(topic, b"{}", retain=True)
            for one in clip:
                desk.publish("har/desk/clip/event", one.encode())
            options = "homeassistant/sensor/home_h1/next_activity/config"
            node.wait_for(lambda _: any(b"juggling" in said for said in node.on(options)))
            wrong = har_forecast(*state, *wire, "--forget-camera", "desk/clap")
            assert wrong.returncode == 2
            assert "did you mean desk/clip?" in wrong.stderr
            forget = (*state, *wire, "--forget-camera", "desk/clip")
            assert run(*forget, "--dry-run")[0] == "3 events of desk/clip would be deleted"
            assert len(process.kept()) == len(events) + 3
            assert run(*forget)[0] == "3 events of desk/clip are deleted"
            process.wait_for_log("learnt anew without them")
            node.wait_for(lambda _: b"juggling" not in node.on(options)[-1])
            for topic in ("har/desk/clip/activity/attributes", discovery):
                desk.wait_for(lambda _, topic=topic: desk.on(topic)[-1] == b"")
            for one in clip:
                desk.publish("har/desk/clip/event", one.encode())
            ack = "har/desk/clip/event/ack"
            desk.wait_for(lambda _: any(b'"seq":4' in said for said in desk.on(ack)))
            assert process.kept() == events
            assert "juggling" not in dict(Forecast.decode(node.on(FORECAST)[-1]).next)
            assert "Traceback" not in process.log
    finally:
        node.close()
        desk.close()
