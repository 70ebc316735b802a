"""Tables of who does what when: read strictly, every clip in a room."""

from pathlib import Path

import pytest

from har_stream.config.yaml_file import read_yaml
from har_stream.core.errors import InputError
from training.fitting.postures.footage import list_clips
from training.fitting.postures.settings import PostureConfig

CONFIG = Path(__file__).parents[4] / "configs/postures.yaml"


@pytest.fixture
def config() -> PostureConfig:
    return read_yaml(CONFIG, PostureConfig)


def _data(folder: Path, *lines: str, clip: str = "adl-01-cam0") -> Path:
    for table in ("urfd/states.csv", "home_states.csv"):
        (folder / table).parent.mkdir(exist_ok=True)
        (folder / table).write_text("clip,start_s,end_s,state\n")
    with (folder / "urfd/states.csv").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    (folder / f"urfd/{clip}.mp4").touch()
    return folder


def test_a_clip_has_a_room_and_a_posture_at_every_instant(
    config: PostureConfig, tmp_path: Path
) -> None:
    folder = _data(tmp_path, "adl-01-cam0,0.0,0.3,nobody", "adl-01-cam0,0.3,,changing")
    (clip,) = list_clips(config, folder)
    assert (clip.clip, clip.room) == ("urfd/adl-01-cam0", "living")
    assert [clip.posture_at(at_s) for at_s in (0.0, 0.3, 99.0)] == [0, 5, 5]


def test_ceilings_are_left_out(config: PostureConfig, tmp_path: Path) -> None:
    assert list_clips(config, _data(tmp_path, "fall-01-cam1,0.0,,upright")) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("adl-01-cam0,0.0,,dancing", "states.csv:2: 'dancing'"),
        ("adl-01-cam0,zero,,upright", "states.csv:2: could not convert"),
        ("adl-02-cam0,0.0,,upright", "adl-02-cam0.mp4: no such clip"),
        ("party,0.0,,upright", "urfd/party: no room in the config"),
    ],
)
def test_a_wrong_line_is_named(config: PostureConfig, tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        list_clips(config, _data(tmp_path, line))


def test_people_of_a_room_are_nowhere_in_its_training(config: PostureConfig) -> None:
    assert config.rooms_with_people_of("office2") == {"office1", "office2"}
    assert config.rooms_with_people_of("flat1") == {"flat1"}
