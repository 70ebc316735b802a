"""The official train and test lists: UCF101 (Soomro 2012), HMDB51 (Kuehne 2011)."""

from collections.abc import Sequence
from pathlib import Path

from har_stream.core.errors import InputError
from training.config import DataConfig, SplitConfig
from training.data.clip import Clip


def read_official_split(
    clips: Sequence[Clip], split: SplitConfig, data: DataConfig
) -> tuple[list[Clip], list[Clip]]:
    """Find the clips on the test list and those on the training list; other clips are in neither.

    Raises:
        InputError: A list is missing, cannot be read, or knows a class of the clips not at all.
    """
    lists = data.lists or (data.path or Path()) / "splits"  # where `train-har download` puts them
    if not lists.is_dir():
        raise InputError(f"{lists}: no folder of the official split files; give one with --lists")
    if data.kind == "hmdb51":
        tested, trained = _hmdb51_lists(lists, number=split.list)
    else:
        tested = _ucf_list(lists / f"testlist{split.list:02}.txt")
        trained = _ucf_list(lists / f"trainlist{split.list:02}.txt")
    # Both lists name clips as `Class/file` without the suffix: ours may be of another container.
    missing = {clip.label for clip in clips} - {name.split("/")[0] for name in tested | trained}
    if missing:
        raise InputError(f"{lists}: the lists know no class {', '.join(sorted(missing))}")
    named = {clip: f"{clip.label}/{clip.path.stem}" for clip in clips}
    return (
        [clip for clip, name in named.items() if name in tested],
        [clip for clip, name in named.items() if name in trained],
    )


def _ucf_list(path: Path) -> set[str]:
    """Read `Class/name.avi [index]` lines; return `Class/name`."""
    return {line.split()[0].rsplit(".", 1)[0] for line in _lines(path)}


def _hmdb51_lists(folder: Path, *, number: int) -> tuple[set[str], set[str]]:
    """Read `<class>_test_split<n>.txt`: `name.avi 1` trains, `2` tests, `0` does neither."""
    ending = f"_test_split{number}.txt"
    by_use: dict[str, set[str]] = {"0": set(), "1": set(), "2": set()}
    for path in sorted(folder.glob(f"*{ending}")):
        label = path.name.removesuffix(ending)
        for line in _lines(path):
            name, _, use = line.strip().rpartition(" ")
            if use not in by_use:
                raise InputError(f"{path}: {line!r}: a clip and 0, 1 or 2 expected")
            by_use[use].add(f"{label}/{name.strip().rsplit('.', 1)[0]}")
    return by_use["2"], by_use["1"]


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    return [line for line in text.split("\n") if line.strip()]
