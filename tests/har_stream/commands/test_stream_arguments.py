"""What the flags of `har-stream` mean as settings: cameras, their names and their rooms."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from har_stream.commands.stream_arguments import make_parser, read_settings


def cameras(*words: str) -> list[tuple[str, str, str | None]]:
    """Source, id and room of each camera that flags name."""
    settings = read_settings(make_parser().parse_args([*words, "--node", "n1"]))
    return [(each.source, each.id, each.room) for each in settings.cameras]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("kitchen=rtsp://u:a=b@h/live?x=1", ("rtsp://u:a=b@h/live?x=1", "kitchen", "kitchen")),
        ("Living room=0", ("0", "living_room", "Living room")),
        ("rtsp://h/live?x=1", ("rtsp://h/live?x=1", "live", None)),
        ("u:a=b@h/live", ("u:a=b@h/live", "live", None)),
        ("sim:7?past=3", ("sim:7?past=3", "sim_7", None)),
        ("/dev/v4l/by-id/usb-C270", ("/dev/v4l/by-id/usb-C270", "usb-c270", None)),
        (" 0 ", ("0", "cam0", None)),
        (" rtsp://h/live\n", ("rtsp://h/live", "live", None)),
        (" a.mp4", (" a.mp4", "a", None)),
    ],
)
def test_a_camera_may_have_a_name_which_is_its_room(
    given: str, expected: tuple[str, str, str | None]
) -> None:
    assert cameras("--camera", given) == [expected]


@settings(max_examples=50)
@example("a=b")
@example("=")
@given(st.text("=?/#@[]% ab1:", min_size=1))
def test_no_part_of_a_password_is_taken_for_a_name_or_a_room(password: str) -> None:
    for address in (f"rtsp://anna:{password}@h/live", f"hall=rtsp://anna:{password}@h/live"):
        ((source, name, room),) = cameras("--camera", address)
        assert source == f"rtsp://anna:{password}@h/live"
        assert (name, room) in (("live", None), ("hall", "hall"))


def test_a_file_whose_name_holds_an_equals_sign_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "take=2.mp4").touch()
    assert cameras("--camera", "take=2.mp4") == [("take=2.mp4", "take_2", None)]


def test_rooms_are_given_to_one_camera_or_to_all() -> None:
    two = ("--camera", "a=0", "--camera", "1")
    assert [room for *_, room in cameras(*two)] == ["a", None]
    assert [room for *_, room in cameras(*two, "--room", "hall")] == ["hall", "hall"]
    assert [room for *_, room in cameras(*two, "--room", "A=attic")] == ["attic", None]
    both = (*two, "--room", "cam1=cellar", "--room", "hall")
    assert [room for *_, room in cameras(*both)] == ["hall", "cellar"]
