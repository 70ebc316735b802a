"""Events in, forecasts out: late, future and known ones change nothing, and replaying is living."""

import logging
import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from support.event_builder import EIGHT, event, living, started

from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import ActivityEvent, ActivityState
from predictor.journal.records import ContextValue, JournalEntry
from predictor.models import store
from predictor.models.online import Forecaster
from predictor.service.home_clock import Timing
from predictor.service.home_forecast import MAX_ACTIVITIES, HomeForecast

WALL = EIGHT + timedelta(days=300)


def _live(forecaster: Forecaster | None = None) -> HomeForecast:
    return HomeForecast(forecaster or store.create("hmm"), LogOnce(), stale_after_s=900)


def _taken(events: Iterable[ActivityEvent], live: HomeForecast | None = None) -> HomeForecast:
    live = live or _live()
    for one in events:
        live.take_event(JournalEntry(one, WALL))
    return live


def test_replaying_the_journal_gives_what_living_gave() -> None:
    events = list(living(days=4))
    lived = _taken(events)
    replayed = _live()
    assert replayed.replay(JournalEntry(one, WALL) for one in events) == len(events)
    assert not replayed.messages(WALL)[0].fresh, "nobody has spoken since"
    replayed.heard_at = lived.heard_at
    assert replayed.messages(WALL) == lived.messages(WALL)


def test_deleting_the_future_changes_nothing() -> None:
    events = list(living(days=3))
    whole = _live()
    for number, one in enumerate(events):
        whole.take_event(JournalEntry(one, WALL))
        if number == 20:
            then = whole.messages(WALL)
    assert _taken(events[:21]).messages(WALL) == then


def test_it_learns_the_home_and_says_when_that_is_enough() -> None:
    events = list(living(days=8))
    early, _ = _taken(events[:30]).messages(WALL)
    late, attributes = _taken(events).messages(WALL)
    assert not early.enough_data
    assert late.enough_data
    assert late.training_days >= 7
    assert attributes.scores.keys() == {"hmm", "markov", "most_frequent"}
    assert attributes.n_scored > 50
    losses = {name: score.log_loss for name, score in attributes.scores.items()}
    assert losses["hmm"] is not None
    assert losses["most_frequent"] is not None
    assert losses["hmm"] < losses["most_frequent"]


def test_events_that_do_not_fit_change_nothing_and_are_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live = _taken(living(days=2))
    before = live.messages(WALL)
    future = event(activity="eating", seq=500, started_at=WALL + timedelta(days=4000))
    late = event(activity="eating", seq=1, minute=3)
    with caplog.at_level(logging.WARNING):
        timings = [live.take_event(JournalEntry(one, WALL)) for one in (future, future, late, late)]
    assert timings == [Timing.FUTURE, Timing.FUTURE, Timing.LATE, Timing.LATE]
    assert live.messages(WALL) == before
    assert [record.message for record in caplog.records] == [
        f"n1/cam1: an event at {future.started_at.astimezone()} is from the future; "
        "it is kept in the journal, not believed"
    ]


def test_a_corrected_clock_does_not_stop_the_home(caplog: pytest.LogCaptureFixture) -> None:
    live = _taken([started("cooking", minute=0, seq=1), started("eating", minute=60, seq=2)])
    told = [("walking", 10), ("relaxing", 11), ("cooking", 59), ("relaxing", 61), ("eating", 70)]
    for seq, (activity, minute) in enumerate(told[:2], 3):
        timing = live.take_event(JournalEntry(started(activity, minute=minute, seq=seq), WALL))
        assert timing is Timing.STEPPED_BACK
    forecast, _ = live.messages(WALL)
    assert forecast.activity.label == "relaxing"
    assert forecast.at == EIGHT + timedelta(minutes=60)
    assert len(caplog.records) == 1
    for seq, (activity, minute) in enumerate(told[2:], 5):  # it catches up
        assert (
            live.take_event(JournalEntry(started(activity, minute=minute, seq=seq), WALL))
            is not Timing.LATE
        )
        assert live.messages(WALL)[0].activity.label == activity
    assert live.messages(WALL)[0].at == EIGHT + timedelta(minutes=70)


def test_a_live_forecast_moves_with_time_and_with_heartbeats() -> None:
    live = _live()
    live.take_event(JournalEntry(started("cooking", minute=0, seq=1), EIGHT + timedelta(seconds=8)))
    first, _ = live.messages(EIGHT + timedelta(seconds=10))
    later, _ = live.messages(EIGHT + timedelta(minutes=20))
    assert first.at == EIGHT + timedelta(seconds=10)
    assert later.at == EIGHT + timedelta(minutes=20)
    beat = EIGHT + timedelta(hours=9)
    state = ActivityState(activity="unknown", confidence=0.3, since=beat, at=beat)
    live.take_state(("n1", "cam1"), state, wall=beat)
    assert live.now(beat) == beat


def test_what_a_clock_of_1970_dates_is_shown_in_a_live_home_and_teaches_nothing() -> None:
    live = _live()
    for seq, (activity, minute) in enumerate([("cooking", 0), ("eating", 40)], 1):
        one = started(activity, minute=minute, seq=seq)
        live.take_event(JournalEntry(one, one.started_at))
    at = EIGHT + timedelta(minutes=60)
    before, attributes = live.messages(at)
    booted = event(activity="cooking", seq=3, started_at=datetime(1970, 1, 1, tzinfo=UTC))
    assert live.take_event(JournalEntry(booted, at)) is Timing.PAST
    forecast, after = live.messages(at)
    assert (before.activity.label, forecast.activity.label) == ("eating", "cooking")
    assert (forecast.at, forecast.next, after) == (at, before.next, attributes)
    ended = booted.model_copy(
        update={"event_type": "activity_ended", "ended_at": booted.started_at, "seq": 4}
    )
    live.take_event(JournalEntry(ended, at))
    assert live.messages(at)[0].activity == before.activity, "what is believed is shown again"


def test_somebody_unknown_is_no_target() -> None:
    live = _taken(living(days=2))
    ended = event(
        event_type="activity_ended",
        activity="sleeping",
        seq=900,
        started_at=EIGHT + timedelta(days=3),
        ended_at=EIGHT + timedelta(days=3, hours=1),
    )
    live.take_event(JournalEntry(ended, WALL))
    state = ActivityState(
        activity="unknown", confidence=0.3, since=EIGHT, at=EIGHT + timedelta(days=3, hours=2)
    )
    live.take_state(("n1", "cam1"), state, wall=WALL)
    forecast, _ = live.messages(WALL)
    assert forecast.activity.label == "unknown"
    assert "unknown" not in live.forecaster.labels[:-1]


def test_a_fitted_model_goes_on_from_what_it_has_seen(caplog: pytest.LogCaptureFixture) -> None:
    events = list(living(days=4))
    half = len(events) // 2
    fitted = _taken(events[:half]).forecaster
    with caplog.at_level(logging.INFO):
        continued = _taken(events, _live(fitted))
    assert continued.forecaster.n_starts == _taken(events).forecaster.n_starts
    assert continued.messages(WALL)[0] == _taken(events).messages(WALL)[0]
    assert sum("goes on from there" in record.message for record in caplog.records) == 1


def test_labels_new_to_a_fitted_model_are_learnt_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fitted = _taken(living(days=1)).forecaster
    live = _live(fitted)
    for seq in range(300, 306):
        activity = "juggling" if seq % 2 else "sleeping"
        live.take_event(JournalEntry(started(activity, minute=60 * seq, seq=seq), WALL))
    assert "juggling" in live.messages(WALL)[1].next
    assert [record.message for record in caplog.records] == [
        "'juggling' is new to the model; it learns it"
    ]


def test_memory_is_bounded_whatever_is_told() -> None:
    live = _live()
    for seq in range(1, MAX_ACTIVITIES + 20):
        live.take_event(JournalEntry(started(f"activity{seq}", minute=seq, seq=seq), WALL))
    assert len(live.forecaster.labels) == MAX_ACTIVITIES + 1
    assert live.messages(WALL)[0].activity.label == "unknown"


@pytest.mark.parametrize(
    ("model", "years"), [("hmm", 0.2), pytest.param("dbn", 2.0, marks=pytest.mark.slow)]
)
def test_memory_is_flat_over_the_years(model: str, years: float) -> None:
    live = _live(store.create(model))
    events = list(living(days=round(2 * 365 * years)))
    held = []
    tracemalloc.start()
    for half in (events[: len(events) // 2], events[len(events) // 2 :]):
        _taken(half, live)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 50_000


def test_context_newer_than_an_event_does_not_confuse_the_order() -> None:
    live = _taken([started("cooking", minute=0, seq=1)])
    live.replay([ContextValue("temperature", 21.5, EIGHT + timedelta(minutes=10.1))])
    # The next activity began before the sensor spoke, and was reported after it.
    assert live.take_event(JournalEntry(started("eating", minute=10, seq=2), WALL)) is Timing.TIMELY
    assert live.messages(WALL)[0].activity.label == "eating"


@pytest.mark.parametrize(
    ("day", "offset_h"),
    [(datetime(2026, 3, 29), 1), (datetime(2026, 10, 25), 2)],
    ids=["spring", "autumn"],
)
def test_a_night_with_a_change_of_clocks(day: datetime, offset_h: int) -> None:
    """Instants stay in order, whatever the clock on the wall says."""
    berlin = ZoneInfo("Europe/Berlin")
    first = day.replace(hour=1, tzinfo=berlin).astimezone(EIGHT.tzinfo)
    assert day.replace(hour=1, tzinfo=berlin).utcoffset() == timedelta(hours=offset_h)
    live = _live()
    for seq in range(1, 9):
        at = (first + timedelta(minutes=30 * seq)).astimezone(berlin)
        local = at.replace(tzinfo=None)
        fixed = datetime.fromisoformat(local.isoformat() + at.strftime("%z"))
        one = event(activity=("sleeping", "walking")[seq % 2], seq=seq, started_at=fixed)
        assert live.take_event(JournalEntry(one, WALL)) is Timing.TIMELY
        assert live.messages(WALL)[0].at.timestamp() == at.timestamp()


@pytest.mark.parametrize("offset_h", [-8, 0, 1])
def test_the_home_has_its_own_hours_whatever_zone_an_event_is_dated_in(offset_h: int) -> None:
    live = HomeForecast(
        store.create("hmm"), LogOnce(), stale_after_s=900, zone=ZoneInfo("Europe/Berlin")
    )
    there = timezone(timedelta(hours=offset_h))
    for one in living(days=6):
        moved = one.model_copy(update={"started_at": one.started_at.astimezone(there)})
        live.take_event(JournalEntry(moved, WALL))
    orderly = HomeForecast(
        store.create("hmm"), LogOnce(), stale_after_s=900, zone=ZoneInfo("Europe/Berlin")
    )
    _taken(living(days=6), orderly)
    assert live.messages(WALL) == orderly.messages(WALL)
    assert live.messages(WALL)[0].at.utcoffset() == timedelta(hours=1)


def test_of_two_residents_both_are_told_each_in_a_room(caplog: pytest.LogCaptureFixture) -> None:
    home = HomeForecast(store.create("dbn"), LogOnce(), stale_after_s=900, n_residents=2)
    seqs = {"bed": 0, "stove": 0, "office": 0}

    def tell(camera: str, minute: float, activity: str, room: str | None, kind: str) -> list[str]:
        seqs[camera] += 1
        ended = {"ended_minute": minute} if kind == "ended" else {}
        one = event(
            camera=camera,
            seq=seqs[camera],
            event_type=f"activity_{kind}",
            activity=activity,
            room=room,
            minute=minute,
            **ended,
        )
        home.take_event(JournalEntry(one, one.started_at))
        told = home.messages(one.started_at)[0]
        assert not told.residents or told.activity.label == told.residents[0].label
        return [f"{each.label} {each.room or each.camera}" for each in told.residents]

    assert tell("bed", 0, "sleeping", "bedroom", "started") == ["sleeping bedroom"]
    both = tell("stove", 30, "cooking", "kitchen", "started")
    assert both == ["cooking kitchen", "sleeping bedroom"]
    assert tell("stove", 40, "eating", "kitchen", "changed")[0] == "eating kitchen"
    assert tell("stove", 60, "eating", "kitchen", "ended") == ["sleeping bedroom"]
    state = ActivityState(activity="idle", confidence=1, since=EIGHT, at=EIGHT, room="attic")
    home.take_state(("n1", "attic"), state, wall=EIGHT + timedelta(minutes=60))
    assert tell("office", 61, "working", None, "started")[0] == "working n1/office"
    # A camera is moved to another room: its person is there now, and in the old one no more.
    moved = tell("bed", 70, "sleeping", "guest room", "changed")
    assert moved == ["sleeping guest room", "working n1/office"]
    assert not home.messages(EIGHT + timedelta(hours=3))[0].residents, "nobody has been seen since"


def test_a_resident_alone_is_told_too() -> None:
    home = _taken([started("cooking", minute=0, seq=1, room="kitchen")])
    (cook,) = home.messages(WALL)[0].residents
    assert (cook.label, cook.room, cook.camera, cook.since) == (
        *("cooking", "kitchen", "n1/cam1"),
        EIGHT,
    )
