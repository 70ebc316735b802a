"""Tables of who does what when."""

import math
from pathlib import Path

import pytest

from har_stream.core.errors import InputError
from training.data.state_table import read_states


def test_stretches_come_by_clip_and_the_last_lasts_until_the_end(tmp_path: Path) -> None:
    table = tmp_path / "states.csv"
    table.write_text("clip,start_s,end_s,state\na,0,1.5,nobody\nb,0,,upright\na,1.5,,lying\n")
    states = read_states(table)
    assert [(each.state, each.start_s, each.end_s) for each in states["a"]] == [
        ("nobody", 0.0, 1.5),
        ("lying", 1.5, math.inf),
    ]
    assert states["b"][0].line == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clip,state\n", r"states\.csv:1: expected the columns clip,start_s,end_s,state"),
        ("clip,start_s,end_s,state\na,x,2,up\n", r"states\.csv:2: .*'x'.*seconds"),
        ("clip,start_s,end_s,state\na\n", r"states\.csv:2: .*seconds"),
    ],
)
def test_a_bad_table_is_told_by_line(tmp_path: Path, text: str, said: str) -> None:
    table = tmp_path / "states.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=said):
        read_states(table)
