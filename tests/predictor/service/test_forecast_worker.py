"""The service's worker speaks on news and as time passes, rebuilds after late events, and acts."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.broker.forecast_bench import FORECAST, Bench
from support.event_builder import EIGHT, event, living, started

from har_stream.mqtt.messages import ActivityState
from predictor.journal.database import sqlite_url
from predictor.journal.deletion import Selection
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry
from predictor.service.forecast_worker import (
    LOOK_S,
    MAX_CONTEXTS,
    REBUILD_AFTER_S,
)

HEATING = "home/bedroom/heating/set"
RULE = {
    "name": "heating",
    "activity": "sleeping",
    "within": "180min",
    "probability": 0.5,
    "topic": HEATING,
}


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    journal = Journal(sqlite_url(tmp_path / "journal.db"))
    yield lambda **forecast: Bench(journal, **forecast)
    journal.close()


def test_it_speaks_on_every_event_and_as_time_passes(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(refresh_s=60)
    assert bench.worker.work() == 60
    assert len(bench.forecasts()) == 1
    bench.tell(started("cooking", minute=0, seq=1))
    assert len(bench.forecasts()) == 2
    bench.seconds = 59.0
    assert bench.worker.work() == 1.0
    assert len(bench.forecasts()) == 2
    bench.seconds = 60.0
    bench.worker.work()
    assert len(bench.forecasts()) == 3
    (said,) = {(m.retain, m.expiry_s) for m in bench.said.messages if m.topic == FORECAST}
    assert said == (True, 180.0)


def test_a_fast_stream_is_forecast_in_its_own_time(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(refresh_s=600)
    bench.tell(*living(days=3))
    n_before = len(bench.forecasts())
    at = datetime.fromisoformat(bench.forecasts()[-1]["at"])
    for minute in range(1, 31):
        beat = at + timedelta(minutes=minute)
        state = ActivityState(activity="sleeping", confidence=0.9, since=at, at=beat)
        bench.worker.take_state(("n1", "cam1"), state)
        bench.worker.work()
    told = bench.forecasts()[n_before:]
    assert len(told) == 3
    assert datetime.fromisoformat(told[-1]["at"]) == at + timedelta(minutes=30)


def test_after_a_restart_it_forecasts_as_before(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.worker.take_context("temperature", 21.5)
    bench.tell(*living(days=3))
    bench.worker.take_context("presence", "home")
    bench.worker.work()
    again = make_bench()
    again.beat(bench.forecasts()[-1]["at"])
    assert again.forecasts()[-1] == bench.forecasts()[-1]
    kept = [(context.name, context.value) for context in bench.journal.contexts()]
    assert sorted(kept) == [("presence", "home"), ("temperature", 21.5)]


def test_nothing_is_said_before_it_has_learnt_from_the_journal(
    make_bench: Callable[..., Bench],
) -> None:
    """Many events take a minute to learn from, and the broker is there meanwhile."""
    make_bench().tell(*living(days=2))
    again = make_bench(begins=False)
    again.worker.greet()
    assert not again.announced
    assert not again.forecasts()
    again.worker.work()
    assert again.announced[0][0] == "hmm"
    assert "cooking" in again.announced[0]
    assert again.forecasts()[-1]["activity"]["label"] != "unknown"


def test_late_events_are_taken_in_together_a_little_later(make_bench: Callable[..., Bench]) -> None:
    events = list(living(days=4))
    whole = make_bench()
    for one in [*events[:5], *events[15:]]:
        whole.tell(one)
    whole.tell(*events[5:15])
    whole.seconds += REBUILD_AFTER_S
    whole.worker.work()
    orderly = make_bench()  # it starts from the same journal
    orderly.beat(whole.forecasts()[-1]["at"])
    assert whole.forecasts()[-1] == orderly.forecasts()[-1]
    assert whole.forecasts()[-1]["activity"]["label"] == events[-1].activity


def test_what_was_replayed_is_not_taken_in_again(make_bench: Callable[..., Bench]) -> None:
    events = list(living(days=2))
    make_bench().tell(*events)
    again = make_bench()
    again.worker.work()
    before = again.forecasts()[-1]
    for one in events:  # they were still waiting when the journal was read
        again.worker.take_event(JournalEntry(one, again.wall))
    again.seconds += REBUILD_AFTER_S
    again.worker.work()
    assert again.forecasts()[-1] == before


def test_time_begins_anew_where_a_clock_was_put_far_back(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.tell(*living(days=3))
    bench.tell(started("eating", minute=24 * 60, seq=500), started("walking", minute=1470, seq=501))
    forecast = bench.forecasts()[-1]
    assert forecast["activity"]["label"] == "walking"
    assert datetime.fromisoformat(forecast["at"]) == EIGHT + timedelta(minutes=1470)


def test_one_wrong_date_is_outlived(make_bench: Callable[..., Bench]) -> None:
    """The very first event says 2099; once clocks are right nothing of it remains."""
    bench = make_bench()
    wrong = event(activity="eating", seq=1, started_at=EIGHT + timedelta(days=26_000))
    bench.tell(wrong)
    events = list(living(days=2, first_seq=2))
    bench.tell(*events)
    forecast = bench.forecasts()[-1]
    assert forecast["activity"]["label"] == events[-1].activity
    assert datetime.fromisoformat(forecast["at"]) == events[-1].started_at
    again = make_bench()
    again.beat(forecast["at"])
    assert again.forecasts()[-1]["at"] == forecast["at"]


def test_home_assistant_hears_of_new_activities(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.tell(started("cooking", minute=0, seq=1), started("eating", minute=9, seq=2))
    bench.tell(started("cooking", minute=20, seq=3))
    assert bench.announced == [
        ("hmm", "cooking", "unknown"),
        ("hmm", "cooking", "eating", "unknown"),
    ]
    bench.worker.greet_after(3.0)
    bench.worker.work()
    assert len(bench.announced) == 2
    bench.seconds = 3.0
    bench.worker.work()
    assert bench.announced[2:] == [("hmm", "cooking", "eating", "unknown")]


def test_a_rule_closes_the_loop_and_says_so(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(rules=[RULE])
    bench.tell(*living(days=20))
    sent = bench.said.texts(HEATING)
    assert len(sent) >= 10
    assert sent[:4] == ["ON", "OFF", "ON", "OFF"]
    states = bench.said.on("har/home/h1/rule/heating")
    assert [state["state"].upper() for state in states] == sent
    for state in states:
        assert state["cause"]["enough_data"]
        likely = state["cause"]["within"]["180min"]["sleeping"]
        assert (likely >= 0.5) == (state["state"] == "on")


def test_a_dry_run_only_says_so(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(rules=[RULE], dry_run=True)
    with caplog.at_level("INFO"):
        bench.tell(*living(days=12))
    assert bench.said.texts(HEATING) == []
    assert bench.said.on("har/home/h1/rule/heating")[0]["dry_run"] is True
    assert "rule heating: on: sleeping within 180min" in caplog.text


def test_a_rule_remembers_its_state_over_a_restart(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(rules=[RULE])
    bench.tell(*living(days=12))
    last = bench.said.on("har/home/h1/rule/heating")[-1]
    again = make_bench(rules=[RULE])
    again.worker.work()
    assert again.said.texts(HEATING) == []
    again.worker.greet()
    assert again.said.on("har/home/h1/rule/heating") == [last]


def test_an_action_outlives_a_lost_connection(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(rules=[RULE])
    bench.said.answers = False
    bench.tell(*living(days=12))
    last = bench.said.texts(HEATING)[-1]
    n_sent = len(bench.said.texts(HEATING))
    bench.worker.greet()
    assert bench.said.texts(HEATING)[n_sent:] == [last]
    bench.said.answers = True
    bench.worker.greet()
    bench.worker.greet()
    assert bench.said.texts(HEATING)[n_sent:] == [last, last]


def test_retention(tmp_path: Path) -> None:
    """What is old, and was received long ago by the time that the service ran, leaves."""
    seconds = 0.0
    bench = Bench(
        Journal(sqlite_url(tmp_path / "journal.db"), monotonic=lambda: seconds), retention_days=2
    )
    for one in living(days=10):
        seconds = (one.started_at - EIGHT).total_seconds()
        bench.tell(one)
    oldest = next(bench.journal.entries()).happened_at
    newest = datetime.fromisoformat(bench.forecasts()[-1]["at"])
    assert timedelta(days=1) < newest - oldest < timedelta(days=3)


@pytest.mark.parametrize("ahead", [timedelta(hours=h) for h in (1, 23, 800, 9600, 526_000)])
def test_a_start_with_a_clock_that_is_ahead_deletes_nothing(
    make_bench: Callable[..., Bench], ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(retention_days=3)
    events = list(living(days=20))
    bench.tell(*events)
    assert bench.journal.count() == len(events), "all were received just now"
    again = make_bench(retention_days=3)
    again.wall = events[-1].started_at + ahead
    wrong = started("eating", minute=0, seq=500, camera="cam2")
    at = {"started_at": again.wall}
    again.tell(wrong.model_copy(update=at))
    again.worker.work()
    assert bench.journal.count() == len(events) + 1
    told = [record for record in caplog.records if "older than 3 days" in record.message]
    assert len(told) == 2, "once each run"


def test_a_rule_or_sensor_for_a_label_that_nobody_knows_is_named_once(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    rules = [RULE | {"activity": "sleping"}, RULE | {"name": "away", "activity": "idle"}]
    asked = {"binary_sensors": ["relaxing", "朝食"], "rules": rules}
    bench = make_bench(**asked)
    bench.tell(*living(days=3))
    told = [message for message in caplog.messages if "knows" in message]
    assert len(told) == 3
    assert told[0].endswith("learnt knows 'sleping'; did you mean 'sleeping'?")
    assert told[1].endswith("it stands for no activity, so it never begins; name one that does")
    assert "sensor 朝食: neither a bundle nor what this home has learnt" in told[2]


def test_what_another_process_deletes_is_unlearnt(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.tell(*living(days=3), started("juggling", minute=3 * 1440, seq=99, camera="clip"))
    assert "juggling" in bench.forecasts()[-1]["within"]["60min"]
    bench.journal.delete(Selection(camera=("n1", "clip")))
    bench.seconds += LOOK_S
    bench.worker.work()
    assert "juggling" not in bench.forecasts()[-1]["within"]["60min"]
    assert "juggling" not in bench.announced[-1]


def test_a_publisher_that_walks_ahead_deletes_nothing(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(retention_days=60)
    events = list(living(days=3))
    bench.tell(*events)
    for number in range(100):
        at = events[-1].started_at + timedelta(hours=23 * (number + 1))
        bench.tell(event(activity="eating", seq=number + 1, camera="cam2", started_at=at))
    assert bench.journal.count() == len(events) + 100


def _live_home(make_bench: Callable[..., Bench], days: int) -> tuple[Bench, int]:
    """A home that has lived with clocks that are right, and the number of its last event."""
    events = list(living(days=days))
    before = make_bench()
    for one in events:
        before.journal.record(one, received_at=one.started_at)
    bench = make_bench()
    bench.wall = events[-1].started_at + timedelta(seconds=30)
    bench.tell(started("relaxing", minute=0, seq=len(events) + 1).model_copy(
        update={"started_at": bench.wall}))  # fmt: skip
    return bench, len(events) + 1


WRONG_BY_H = (1, -1, 23, -23, 31 * 24, -31 * 24, 9600, -9600, 87_600, -87_600, 525_960, -490_000)


@pytest.mark.parametrize("camera", ["cam1", "cam2"])
@pytest.mark.parametrize("hours", WRONG_BY_H)
def test_a_camera_whose_clock_is_wrong_leaves_a_live_model_as_it_is(
    make_bench: Callable[..., Bench], hours: int, camera: str
) -> None:
    bench, seq = _live_home(make_bench, days=12)
    days = bench.forecasts()[-1]["training_days"]
    assert days >= 11
    if camera == "cam2":
        seq = 0
        bench.tell(
            event(seq=(seq := seq + 1), camera="cam2", started_at=bench.wall, activity="eating")
        )
    for _ in range(4):
        bench.wall += timedelta(minutes=10)
        at = bench.wall + timedelta(hours=hours)
        bench.tell(event(seq=(seq := seq + 1), camera=camera, started_at=at, activity="walking"))
        state = ActivityState(activity="walking", confidence=0.9, since=at, at=at)
        bench.worker.take_state(("n1", camera), state)
        bench.seconds += 600
        bench.worker.work()
        forecast = bench.forecasts()[-1]
        assert days <= forecast["training_days"] <= days + 1
        assert abs(datetime.fromisoformat(forecast["at"]) - bench.wall) < timedelta(minutes=2)
    assert hours < 1 or bench.worker.n_disbelieved == 4, "they are counted"
    bench.wall += timedelta(minutes=10)  # and right again
    bench.tell(event(seq=seq + 1, camera=camera, started_at=bench.wall, activity="cooking"))
    again = make_bench()
    again.wall = bench.wall
    again.worker.work()
    for each in (bench, again):
        forecast = each.forecasts()[-1]
        assert forecast["activity"]["label"] == "cooking"
        assert datetime.fromisoformat(forecast["at"]) == bench.wall
        assert days <= forecast["training_days"] <= days + 1
        assert forecast["enough_data"]


def test_a_simulated_day_that_begins_in_a_live_home_goes_at_its_own_pace(
    make_bench: Callable[..., Bench],
) -> None:
    bench, seq = _live_home(make_bench, days=8)
    at = bench.wall
    for number in range(20):
        at += timedelta(hours=1)
        bench.wall += timedelta(minutes=1)
        activity = ("cooking", "eating")[number % 2]
        bench.tell(event(seq=seq + 1 + number, started_at=at, activity=activity))
    assert datetime.fromisoformat(bench.forecasts()[-1]["at"]) == at
    assert bench.forecasts()[-1]["activity"]["label"] == "eating"
    again = make_bench()
    again.wall = bench.wall
    again.beat(at)
    assert again.forecasts()[-1] == bench.forecasts()[-1]


def test_a_home_that_is_in_the_future_comes_back_when_cameras_agree_with_the_wall(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench()
    bench.tell(event(seq=1, started_at=bench.wall + timedelta(days=9000), activity="eating"))
    for number in range(3):
        bench.wall += timedelta(minutes=5)
        bench.tell(
            event(seq=number + 1, camera="cam2", started_at=bench.wall, activity=f"a{number}")
        )
    forecast = bench.forecasts()[-1]
    assert forecast["activity"]["label"] == "a2"
    assert datetime.fromisoformat(forecast["at"]) == bench.wall


def test_context_is_bounded_and_kept_when_it_changes(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.tell(started("cooking", minute=0, seq=1))
    for value in (20.0, 20.0, 20.5):
        bench.worker.take_context("temperature", value)
    assert [context.value for context in bench.journal.contexts()] == [20.0, 20.5]
    for number in range(2 * MAX_CONTEXTS):
        bench.worker.take_context(f"made_up{number}", 1.0)
    assert len(list(bench.journal.contexts())) == MAX_CONTEXTS + 1
