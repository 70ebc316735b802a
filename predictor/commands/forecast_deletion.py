"""What `har-forecast` deletes when it is told to: all before a day, a span of time, a camera."""

import argparse
import difflib
from typing import TYPE_CHECKING

from har_stream.core.command import warn_deprecated
from har_stream.core.errors import InputError

if TYPE_CHECKING:
    from har_stream.config.settings import Settings
    from predictor.journal.deletion import Selection
    from predictor.journal.journal import Journal


def read_selection(options: argparse.Namespace) -> "Selection | None":
    """Read what is to be deleted; ``None`` where nothing is.

    Raises:
        InputError: It is no date, no span of time or no camera.
    """
    from predictor.journal.deletion import Selection
    from predictor.logs.csv_log import instant

    if options.forget_before is not None:
        until = instant(options.forget_before, "--forget-before")
        warn_deprecated("--forget-before DATE", instead="--delete ..DATE")
        return Selection(until=until)
    if options.delete is not None:
        since, dots, until = options.delete.partition("..")
        if not (dots and until):
            raise InputError(
                f"--delete: {options.delete!r} is no span of time; give FROM..TO, as in "
                "2026-11-22..2026-11-23 or 2026-11-22T18:00..2026-11-22T19:30, or ..TO"
            )
        if not since:
            return Selection(until=instant(until, "--delete"))
        span = Selection(since=instant(since, "--delete"), until=instant(until, "--delete"))
        if span.since and span.until and span.since >= span.until:
            raise InputError(
                f"--delete: {options.delete!r} ends before it begins; TO itself is not deleted, "
                "and a day stands for its first minute"
            )
        return span
    if options.forget_camera is not None:
        node, slash, camera = options.forget_camera.partition("/")
        if not (node and slash and camera):
            raise InputError(f"--forget-camera: {options.forget_camera!r} is not NODE/CAMERA")
        return Selection(camera=(node, camera))
    return None


def delete_selected(
    journal: "Journal", which: "Selection", settings: "Settings", *, dry_run: bool
) -> None:
    """Delete for good what was selected, of a camera also what the broker holds, and say so.

    Raises:
        InputError: There is no such camera, its node is at work, or the broker does not answer.
    """
    from har_stream.homeassistant.removal import find_camera, remove_topics

    topics: set[str] = set()
    if which.camera:
        _check_is_known(journal, which.camera)
        topics = find_camera(settings, *which.camera)
    n_events = journal.count_selected(which) if dry_run else journal.delete(which)
    print(f"{n_events} events {_describe(which)} {'would be' if dry_run else 'are'} deleted")
    if topics and dry_run:
        print(f"{len(topics)} topics would be removed from the broker")
    elif topics:
        remove_topics(settings, topics)
        print(f"{len(topics)} topics are removed from the broker")
    if dry_run or (which.since is None and which.camera is None):
        return
    print("a har-forecast at work learns anew without them within seconds, another at its start")
    if settings.forecast.path:
        print(f"{settings.forecast.path} may have learnt from them: fit it anew with train-hmm")


def _check_is_known(journal: "Journal", camera: tuple[str, str]) -> None:
    names = ["/".join(known) for known in journal.progress()]
    asked = "/".join(camera)
    if asked not in names:
        near = difflib.get_close_matches(asked, names, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"it knows {', '.join(names) or 'none'}"
        raise InputError(f"the journal has nothing of a camera {asked!r:.100}; {remedy}")


def _describe(which: "Selection") -> str:
    if which.camera:
        return f"of {'/'.join(which.camera)}"
    if which.since:
        return f"from {which.since:%Y-%m-%d %H:%M} to {which.until:%Y-%m-%d %H:%M}"
    return f"from before {which.until:%Y-%m-%d %H:%M}"
