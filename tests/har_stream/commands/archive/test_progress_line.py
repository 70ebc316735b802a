"""Progress says how many recordings are done and how long the others will take, by their size."""

import io

from rich.console import Console

from har_stream.commands.archive.progress_line import SAY_EVERY_S, ProgressLine


def _console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, soft_wrap=True)


def _said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_a_line_now_and_then_says_it() -> None:
    now_s = [0.0]
    console = _console(terminal=False)
    with ProgressLine(4, 1000, console=console, clock=lambda: now_s[0]) as line:
        line.advance(100)
        assert _said(console) == ""  # nobody wants a line for every recording
        now_s[0] = SAY_EVERY_S
        line.advance(400)
        line.say("a.mp4: [cut off]")
        now_s[0] += 1
        line.advance(0)
    assert _said(console).splitlines() == [
        "2 of 4 recordings (50%), 0:00:30 left",
        "a.mp4: [cut off]",
    ]


def test_on_a_terminal_a_bar_shows_it() -> None:
    console = _console(terminal=True)
    now_s = [0.0]
    with ProgressLine(2, 200, console=console, clock=lambda: now_s[0]) as line:
        now_s[0] = 3600.0
        line.advance(100)
    assert "1/2" in _said(console)
    assert "1:00:00 left" in _said(console)


def test_recordings_of_no_size_give_no_time() -> None:
    console = _console(terminal=False)
    with ProgressLine(2, 0, console=console, clock=lambda: 1e9) as line:
        line.advance(0)
        line.advance(0)
    assert _said(console) == ""
