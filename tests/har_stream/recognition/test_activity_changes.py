"""Whatever the probabilities, the events keep their grammar, their order and their times."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_stream.core.activity import IDLE, UNKNOWN, Change
from har_stream.core.thresholds import Thresholds, apply_reject_rule
from har_stream.recognition.activity_changes import Segmenter

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
LABELS = ("cooking", "eating", "fallen", IDLE)
DECIDING = Thresholds(urgent=("fallen",))
SPAN_S = 3.8

Decisions = Sequence[tuple[float, Mapping[str, float], bool]]


def sure(label: str, labels: Sequence[str] = LABELS, *, of: float = 0.9) -> dict[str, float]:
    """A distribution that gives one label probability `of`; for `unknown` all are equal."""
    if label == UNKNOWN:
        return dict.fromkeys(labels, 1 / len(labels))
    return {each: of if each == label else (1 - of) / (len(labels) - 1) for each in labels}


def script(*parts: tuple[str, float], hz: float = 5.0) -> Decisions:
    """One decision every 1/hz seconds: each label for its number of seconds."""
    spoken = [label for label, duration_s in parts for _ in range(round(duration_s * hz))]
    return [(n / hz, sure(label), True) for n, label in enumerate(spoken)]


def segment(
    decisions: Decisions, deciding: Thresholds = DECIDING, *, start: datetime = START
) -> list[Change]:
    segmenter = Segmenter("cam0", deciding, span_s=SPAN_S)
    seen = (
        segmenter.observe(start + timedelta(seconds=at_s), probabilities, moving=moving)
        for at_s, probabilities, moving in decisions
    )
    return [change for change in seen if change]


def said(changes: Iterable[Change]) -> list[tuple[str, str, str | None]]:
    return [(c.event_type.removeprefix("activity_"), c.activity, c.previous) for c in changes]


def after_s(instant: datetime | None) -> float:
    assert instant is not None
    return (instant - START).total_seconds()


@pytest.mark.parametrize(
    ("probabilities", "label"),
    [
        ({"a": 0.7, "b": 0.3}, "a"),
        ({"a": 0.49, "b": 0.3, "c": 0.21}, UNKNOWN),
        ({"a": 0.52, "b": 0.48}, UNKNOWN),
    ],
)
def test_a_weak_or_close_call_is_unknown(probabilities: dict[str, float], label: str) -> None:
    verdict = apply_reject_rule(probabilities, Thresholds(reject_below=0.5, margin_below=0.1))
    first, second, *_ = sorted(probabilities.values(), reverse=True)
    assert (verdict.label, verdict.confidence) == (label, first)
    assert verdict.margin == pytest.approx(first - second)


@pytest.mark.parametrize("hz", [25.0, 5.0, 0.25, 1 / 30])
def test_a_day_in_short_gives_one_event_per_change_at_any_density(hz: float) -> None:
    changes = segment(
        script((IDLE, 120), ("cooking", 600), ("eating", 300), (IDLE, 300), ("eating", 120), hz=hz)
    )
    assert said(changes) == [
        ("started", "cooking", None),
        ("changed", "eating", "cooking"),
        ("ended", "eating", None),
        ("started", "eating", None),
    ]
    starts = [after_s(c.ended_at or c.started_at) for c in changes]
    lateness = [start - true for start, true in zip(starts, [120, 720, 1020, 1320], strict=True)]
    assert all(-SPAN_S <= late <= 1 / hz for late in lateness)
    assert changes[2].started_at == changes[1].started_at


def test_an_activity_begins_with_the_evidence_and_not_with_its_confirmation() -> None:
    first = segment(script(("cooking", 20)))[0]
    assert after_s(first.started_at) == -SPAN_S  # the first window's first frame
    second = segment(script(("cooking", 20), ("eating", 20)))[1]
    assert after_s(second.started_at) == pytest.approx(20 - SPAN_S / 2)  # a window half new
    assert second.confidence == pytest.approx(0.9)
    assert sum(second.probabilities.values()) == pytest.approx(1)


def test_a_state_is_reported_once_it_has_held_for_the_dwell_and_not_before() -> None:
    segmenter = Segmenter("cam0", Thresholds(min_dwell_s=10, average_s=0), span_s=SPAN_S)
    at = START
    while (change := segmenter.observe(at, sure("cooking"))) is None:
        assert segmenter.state == UNKNOWN
        at += timedelta(seconds=0.2)
    assert after_s(at) == pytest.approx(10 - SPAN_S, abs=0.2)
    assert segmenter.state == change.activity == "cooking"


@pytest.mark.parametrize(("other_s", "n_events"), [(2.0, 1), (8.0, 3)])
def test_a_short_other_label_changes_nothing(other_s: float, n_events: int) -> None:
    assert len(segment(script(("cooking", 30), ("eating", other_s), ("cooking", 30)))) == n_events


def test_an_urgent_label_skips_the_dwell() -> None:
    deciding = Thresholds(min_dwell_s=60, average_s=1.0, urgent=("fallen",))
    changes = segment(script(("cooking", 100), ("fallen", 2)), deciding)
    assert said(changes)[-1] == ("changed", "fallen", "cooking")
    assert said(segment(script(("cooking", 100), ("eating", 2)), deciding))[-1][1] == "cooking"


def test_an_urgent_event_is_as_sure_as_the_average_that_raised_it() -> None:
    """The newest decision may see something else: a real fall went out with confidence 0.0070."""
    fallen = sure("fallen", of=0.97)
    newest = {"cooking": 0.02, "eating": 0.953, "fallen": 0.007, IDLE: 0.02}
    seen = [(0, sure("cooking")), (1, sure("cooking")), (2, fallen), (3, fallen), (4, fallen)]
    decisions = [(at_s, each, True) for at_s, each in [*seen, (5.5, newest)]]
    (change,) = segment(decisions, Thresholds(min_dwell_s=60, urgent=("fallen",)))
    assert change.activity == "fallen"
    assert change.confidence == pytest.approx((3 * 0.97 + 0.007) / 4)
    assert change.probabilities["eating"] == pytest.approx((3 * 0.01 + 0.953) / 4)


def test_unknown_opens_nothing_and_ends_the_running_activity_only_after_the_dwell() -> None:
    assert segment(script((UNKNOWN, 100))) == []
    assert len(segment(script(("cooking", 30), (UNKNOWN, 3), ("cooking", 30)))) == 1
    changes = segment(script(("cooking", 30), (UNKNOWN, 20), ("eating", 20)))
    assert said(changes) == [
        ("started", "cooking", None),
        ("ended", "cooking", None),
        ("started", "eating", None),
    ]
    assert after_s(changes[1].ended_at) == pytest.approx(30 - SPAN_S / 2)


def test_hysteresis_keeps_an_activity_between_the_two_thresholds() -> None:
    strong, weak = (n / 5 for n in range(100)), (20 + n / 5 for n in range(300))
    decisions = [(at_s, sure("cooking"), True) for at_s in strong]
    decisions += [(at_s, sure("cooking", of=0.45), True) for at_s in weak]
    assert said(segment(decisions)) == [("started", "cooking", None)]
    assert segment(decisions[100:]) == []  # 0.45 alone opens nothing


def test_an_hour_of_an_empty_room_yields_nothing_although_a_bundle_without_idle_sees_cooking() -> (
    None
):
    foreign = sure("cooking", LABELS[:3])
    assert segment([(n / 2, foreign, False) for n in range(7200)]) == []
    moved = segment([(n / 2, foreign, n == 100) for n in range(7200)])
    assert said(moved) == [("started", "cooking", None)]  # motion makes it somebody


def test_nobody_stays_nobody_until_something_moves() -> None:
    empty = [(n / 5, sure(IDLE), False) for n in range(100)]
    ghost = [(20 + n / 5, sure("eating"), False) for n in range(300)]
    assert segment([*empty, *ghost]) == []
    assert said(segment([*empty, (20, sure("eating"), True), *ghost])) == [
        ("started", "eating", None)
    ]


def test_a_motionless_sleeper_keeps_the_activity() -> None:
    decisions = [(n / 5, sure("cooking"), n < 50) for n in range(5 * 600)]
    assert said(segment(decisions)) == [("started", "cooking", None)]
    seen_at_start = [(n / 5, sure("cooking"), False) for n in range(100)]
    assert said(segment(seen_at_start)) == [("started", "cooking", None)]  # LABELS know nobody


def test_stillness_after_unknown_is_idle() -> None:
    segmenter = Segmenter("cam0", Thresholds(idle_after_s=30))
    states = {}
    for n in range(100):
        segmenter.observe(START + timedelta(seconds=n), sure(UNKNOWN), moving=n < 50)
        states[n] = segmenter.state
    assert (states[75], states[99]) == (UNKNOWN, IDLE)


def test_a_lost_source_ends_the_running_activity_once() -> None:
    segmenter = Segmenter("cam0", DECIDING, span_s=SPAN_S)
    for at_s, probabilities, _ in script(("cooking", 20)):
        segmenter.observe(START + timedelta(seconds=at_s), probabilities)
    lost_at = START + timedelta(seconds=25)
    ended = segmenter.lose(lost_at)
    assert ended is not None
    assert (ended.event_type, ended.activity, ended.ended_at) == (
        "activity_ended",
        "cooking",
        lost_at,
    )
    assert segmenter.lose(lost_at) is None
    assert segmenter.state == UNKNOWN


def test_a_recording_shorter_than_the_dwell_is_judged_by_all_of_it() -> None:
    segmenter = Segmenter("cam0", Thresholds(min_dwell_s=60), span_s=SPAN_S)
    segmenter.begin(START)
    at = START + timedelta(seconds=1)  # a window filled with the last frame
    assert segmenter.observe(at, sure("eating")) is None
    began, ended = segmenter.finish(at)
    assert said([began, ended]) == [("started", "eating", None), ("ended", "eating", None)]
    assert (began.started_at, ended.ended_at) == (START, at)


@pytest.mark.parametrize(
    ("first", "expected"), [("cooking", [("ended", "cooking", None)]), (UNKNOWN, []), (IDLE, [])]
)
def test_the_last_moments_of_a_longer_recording_open_nothing(
    first: str, expected: list[tuple[str, str, None]]
) -> None:
    segmenter = Segmenter("cam0", DECIDING, span_s=SPAN_S)
    segmenter.begin(START - timedelta(seconds=SPAN_S))
    for at_s, probabilities, _ in script((first, 20), ("eating", 3)):
        segmenter.observe(START + timedelta(seconds=at_s), probabilities)
    assert said(segmenter.finish(START + timedelta(seconds=23))) == expected


def test_a_clock_set_back_keeps_the_order_of_the_events() -> None:
    back = [(at_s - 3600, sure("eating"), moving) for at_s, _, moving in script(("eating", 60))]
    changes = segment([*script(("cooking", 60)), *back])
    assert said(changes) == [("started", "cooking", None), ("changed", "eating", "cooking")]
    assert changes[1].started_at == changes[0].started_at


weights = st.lists(st.integers(0, 9), min_size=len(LABELS), max_size=len(LABELS)).filter(any)
bursts = st.lists(
    st.tuples(
        st.integers(1, 40), st.sampled_from([-7.0, 0.0, 0.2, 1.0, 30.0]), weights, st.booleans()
    ),
    max_size=25,
)
thresholds = st.builds(
    Thresholds,
    reject_below=st.sampled_from([0.0, 0.5]),
    margin_below=st.sampled_from([0.0, 0.1]),
    enter_above=st.sampled_from([0.3, 0.6]),
    leave_below=st.sampled_from([0.2, 0.4]),
    min_dwell_s=st.sampled_from([0.0, 5.0]),
    average_s=st.sampled_from([0.0, 4.0]),
    idle_after_s=st.sampled_from([1.0, 30.0]),
    urgent=st.sampled_from([(), ("fallen",)]),
)


def to_decisions(drawn: list[tuple[int, float, list[int], bool]]) -> Decisions:
    """Runs of like decisions, some of them across gaps or with the clock set back."""
    at_s, decisions = 0.0, []
    for n, step_s, weight, moving in drawn:
        probabilities = {
            label: each / sum(weight) for label, each in zip(LABELS, weight, strict=True)
        }
        for _ in range(n):
            at_s += step_s
            decisions.append((at_s, probabilities, moving))
            step_s = max(step_s, 0.0)
    return decisions


@given(bursts, thresholds)
def test_the_grammar_holds_for_any_stream(
    drawn: list[tuple[int, float, list[int], bool]], deciding: Thresholds
) -> None:
    running: Change | None = None
    boundary: datetime | None = None
    for change in segment(to_decisions(drawn), deciding):
        assert change.activity in LABELS[:3]
        assert change.confidence == change.probabilities[change.activity]
        assert sum(change.probabilities.values()) == pytest.approx(1)
        if change.event_type == "activity_ended":
            assert running is not None
            assert change.ended_at is not None
            assert (change.activity, change.started_at) == (running.activity, running.started_at)
            assert change.previous is None
            assert change.ended_at >= change.started_at
            boundary, running = change.ended_at, None
            continue
        assert change.ended_at is None
        assert change.previous == (running and running.activity) != change.activity
        assert (change.event_type == "activity_changed") == (running is not None)
        assert boundary is None or change.started_at >= boundary
        boundary, running = change.started_at, change


@given(bursts, thresholds, st.integers(-(10**9), 10**9))
def test_a_shift_of_the_clock_shifts_the_events_and_nothing_else(
    drawn: list[tuple[int, float, list[int], bool]], deciding: Thresholds, shift_ms: int
) -> None:
    shift = timedelta(milliseconds=shift_ms)
    decisions = to_decisions(drawn)
    shifted = segment(decisions, deciding, start=START + shift)
    assert [
        (said([c]), c.probabilities, c.started_at - shift, c.ended_at and c.ended_at - shift)
        for c in shifted
    ] == [
        (said([c]), c.probabilities, c.started_at, c.ended_at) for c in segment(decisions, deciding)
    ]


@given(st.lists(st.tuples(st.sampled_from([*LABELS, UNKNOWN]), st.integers(15, 60)), max_size=12))
def test_every_change_of_a_clear_stream_gives_one_event(parts: list[tuple[str, int]]) -> None:
    """With clear probabilities and stays far above the dwell, the events retell the script."""
    told = [label for label, _ in groupby(parts, key=lambda part: part[0])]
    expected, before = [], None
    for label in told:
        now = None if label in (IDLE, UNKNOWN) else label
        if now:
            expected.append(("changed" if before else "started", now, before))
        elif before:
            expected.append(("ended", before, None))
        before = now
    assert said(segment(script(*parts))) == expected


def test_nothing_begins_before_the_first_frame_where_windows_were_filled_with_it() -> None:
    segmenter = Segmenter("cam0", Thresholds(min_dwell_s=2, average_s=0), span_s=SPAN_S)
    segmenter.begin(START)
    at, change = START, None
    while change is None:
        change = segmenter.observe(at, sure("cooking" if at > START else "eating"))
        at += timedelta(seconds=0.2)
    assert change.activity == "cooking"
    assert change.started_at == START
