"""A recording's start is read from its name as documented, or from its container."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from har_stream.commands.archive.start_times import container_time, name_reader
from har_stream.core.errors import InputError


def _local(*numbers: int) -> datetime:
    return datetime(*numbers).astimezone()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "started_at"),
    [
        ("2026-11-22_18-02-11.mp4", _local(2026, 11, 22, 18, 2, 11)),
        ("kitchen/20261122_180211.avi", _local(2026, 11, 22, 18, 2, 11)),
        ("VID_20261122_180211.mp4", _local(2026, 11, 22, 18, 2, 11)),
        ("cam1_00_20261122180211.mp4", _local(2026, 11, 22, 18, 2, 11)),
        ("20261122180211_20261122190211.mp4", _local(2026, 11, 22, 18, 2, 11)),
        ("Front 2026-11-22 18.02.11.500.mkv", _local(2026, 11, 22, 18, 2, 11, 500_000)),
        ("20261122T180211Z.mp4", datetime(2026, 11, 22, 18, 2, 11, tzinfo=UTC)),
        ("20261122T180211+0100.mp4", datetime(2026, 11, 22, 17, 2, 11, tzinfo=UTC)),
        ("2026-11-22/18-02-11.mp4", _local(2026, 11, 22, 18, 2, 11)),
        ("2026/11/22/hall/x_2026-11-22_18-02-11.mp4", _local(2026, 11, 22, 18, 2, 11)),
        ("2026-11-22/2026-11-23_18-02-11.mp4", _local(2026, 11, 23, 18, 2, 11)),
        ("v_TaiChi_g08_c01.mp4", None),
        ("20261399250000.mp4", None),
        ("2026-11-22.mp4", None),
    ],
)
def test_usual_names(name: str, started_at: datetime | None) -> None:
    assert name_reader(None)(name).started_at == started_at


def test_a_pattern_names_start_and_camera() -> None:
    read = name_reader("%Y-%m-%d/%H/{camera}/%M.%S")
    facts = read("recordings/2026-11-22/18/Front Door/02.11.mp4")
    assert (facts.started_at, facts.camera) == (_local(2026, 11, 22, 18, 2, 11), "front_door")
    assert read("recordings/other.mp4").started_at is None
    seconds = name_reader("{camera}-%s-*")("clips/attic-1795370531.250-abc.mp4")
    assert seconds.camera == "attic"
    assert seconds.started_at == datetime.fromtimestamp(1795370531.25, UTC)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("%Y-%m-%d", "a date and a time"),
        ("%Q", "is no part of a pattern"),
        ("{room}/%s", "is no part of a pattern"),
        ("%Y%Y%m%d%H%M", "may stand once"),
    ],
)
def test_a_wrong_pattern_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        name_reader(pattern)


@settings(max_examples=50)
@given(
    at=st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1)).map(
        lambda at: at.replace(second=0, microsecond=0)
    ),
    written=st.sampled_from(["%Y-%m-%d_%H-%M-%S", "%Y%m%d%H%M%S", "%Y.%m.%d-%H.%M", "%d %H%M%S"]),
)
def test_what_is_written_is_read_again(at: datetime, written: str) -> None:
    """By its own pattern always; by none where the year comes first."""
    utc = at.replace(tzinfo=UTC)
    pattern = f"%Y/%m/{written}" if "%Y" not in written else written
    name = f"hall/{utc.strftime(pattern)}Z.mp4"
    assert name_reader(f"{pattern}%z")(name).started_at == utc
    if pattern == written and "%S" in written:
        assert name_reader(None)(name).started_at == utc


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_name_is_read_without_an_error(name: str) -> None:
    name_reader(None)(f"a/{name}.mp4")
    name_reader("%Y%m%d%H%M%S")(f"a/{name}.mp4")


@settings(max_examples=50)
@given(st.text(alphabet="%YmdHMSfzsQ{}camer*/-_[(.+", max_size=24))
def test_any_pattern_is_taken_or_refused_in_one_line(pattern: str) -> None:
    try:
        name_reader(pattern)("2026-11-22/18/hall/02.11.mp4")
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("tags", "made_at"),
    [
        (
            {"creation_time": "2026-11-22T17:02:11.000000Z"},
            datetime(2026, 11, 22, 17, 2, 11, tzinfo=UTC),
        ),
        (
            {
                "com.apple.quicktime.creationdate": "2026-11-22T18:02:11+0100",
                "creation_time": "2026-11-22T19:00:00.000000Z",
            },
            datetime(2026, 11, 22, 17, 2, 11, tzinfo=UTC),
        ),
        ({"creation_time": "1970-01-01T00:00:00.000000Z"}, None),
        ({"creation_time": "1904-01-01T00:00:00.000000Z"}, None),
        ({"date": "2026"}, None),
        ({"date": "2026-11-22"}, None),
        ({"creation_time": "soon"}, None),
        ({}, None),
    ],
)
def test_container_times(tags: dict[str, str], made_at: datetime | None) -> None:
    assert container_time(tags) == made_at


def test_a_time_in_the_hour_that_comes_twice_is_the_earlier_one() -> None:
    started_at = name_reader(None)("20261025_023000.mp4").started_at
    assert started_at is not None
    assert started_at - _local(2026, 10, 25, 2, 30) == timedelta(0)
