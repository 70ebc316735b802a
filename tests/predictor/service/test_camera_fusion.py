"""One home from several cameras: the camera that last reported an activity counts."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.event_builder import event

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.mqtt.messages import ActivityEvent
from predictor.outlook import Observation
from predictor.service.camera_fusion import MAX_STATES, ActivityEnd, CameraFusion

Story = Iterable[tuple[str, str, str]]


def _event(camera: str, kind: str, activity: str, room: str | None = None) -> ActivityEvent:
    return event(camera=camera, event_type=f"activity_{kind}", activity=activity, room=room)


def _tell(story: Story) -> tuple[CameraFusion, list[str | None]]:
    """Tell a home what its cameras see; returns what each event meant for it."""
    home, meanings = CameraFusion(), []
    for camera, kind, activity in story:
        one = _event(camera, kind, activity)
        meaning = home.take_event(one, at=one.started_at)
        assert meaning is None or isinstance(meaning, Observation | ActivityEnd)
        if isinstance(meaning, Observation):
            meanings.append(meaning.activity)
        else:
            meanings.append("-" if meaning else None)
    return home, meanings


@pytest.mark.parametrize(
    ("story", "meanings", "activity"),
    [
        ([], [], "unknown"),
        ([("a", "started", "cooking")], ["cooking"], "cooking"),
        (
            [("a", "started", "cooking"), ("a", "changed", "eating"), ("a", "ended", "eating")],
            ["cooking", "eating", "-"],
            "idle",
        ),
        (  # the resident walks from one camera to the other; the first notices later
            [("a", "started", "cooking"), ("b", "started", "eating"), ("a", "ended", "cooking")],
            ["cooking", "eating", None],
            "eating",
        ),
        (  # the later camera loses sight; what the earlier one still sees counts again
            [("a", "started", "relaxing"), ("b", "started", "walking"), ("b", "ended", "walking")],
            ["relaxing", "walking", "relaxing"],
            "relaxing",
        ),
        (  # both see the same: the home goes on as before
            [("a", "started", "eating"), ("b", "started", "eating"), ("a", "ended", "eating")],
            ["eating", None, None],
            "eating",
        ),
        ([("a", "started", "cooking"), ("a", "started", "unknown")], ["cooking", "-"], "unknown"),
        ([("a", "started", "cooking"), ("a", "started", "idle")], ["cooking", "-"], "idle"),
        ([("a", "ended", "cooking")], [None], "idle"),
    ],
)
def test_what_events_mean(story: Story, meanings: list[str | None], activity: str) -> None:
    home, told = _tell(story)
    assert told == meanings
    assert home.activity == activity


def test_another_room_is_news_though_the_activity_is_the_same() -> None:
    home = CameraFusion()
    kitchen, lounge = (_event(room, "started", "eating", room) for room in ("kitchen", "lounge"))
    home.take_event(kitchen, at=kitchen.started_at)
    seen = home.take_event(lounge, at=lounge.started_at)
    assert isinstance(seen, Observation)
    assert seen.room == "lounge"


def test_soft_probabilities_reach_the_filter() -> None:
    soft = event(activity="eating", probabilities={"eating": 0.6, "cooking": 0.4})
    seen = CameraFusion().take_event(soft, at=soft.started_at)
    assert isinstance(seen, Observation)
    assert seen.probabilities == {"eating": 0.6, "cooking": 0.4}


def test_unknown_counts_only_while_no_camera_sees_an_activity() -> None:
    home, _ = _tell([("a", "started", "cooking")])
    home.note_state(("n1", "b"), "unknown")
    assert home.activity == "cooking"
    ended = _event("a", "ended", "cooking")
    home.take_event(ended, at=ended.started_at)
    assert home.activity == "unknown"
    home.note_state(("n1", "b"), "idle")
    assert home.activity == "idle"


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["started", "changed", "ended"]),
            st.sampled_from(["cooking", "eating", "unknown", "idle"]),
        ),
        max_size=30,
    )
)
def test_the_meanings_tell_the_activity(story: list[tuple[str, str, str]]) -> None:
    """Whoever follows the meanings alone knows the home's activity, and never a reject class."""
    home, meanings = _tell(story)
    followed = "-"
    for meaning in meanings:
        followed = meaning or followed
        assert followed not in ("unknown", "idle")
    assert (home.activity if home.activity not in ("unknown", "idle") else "-") == followed


def test_states_of_invented_cameras_are_bounded() -> None:
    fusion = CameraFusion()
    for n in range(MAX_STATES):
        fusion.note_state(("n1", f"x{n}"), IDLE)
    fusion.note_state(("n1", "one too many"), UNKNOWN)
    assert fusion.activity == IDLE
    fusion.note_state(("n1", "x0"), UNKNOWN)
    assert fusion.activity == UNKNOWN
