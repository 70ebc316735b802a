"""Names of clips: they say the class and the group."""

import re
from pathlib import Path

from har_stream.core.errors import InputError


def name_clip(folder: Path, *, label: str, group: str, number: int) -> Path:
    """Name a clip as UCF does, `LABEL/LABEL_gGROUP_cNUMBER.mp4`: splits find its group again.

    Raises:
        InputError: The label cannot be the name of a folder, or nothing of the group is written.
    """
    if not label or label.startswith(".") or re.search(r"[/\\\0]", label):
        raise InputError(f"label {label!r}: it names a folder, so no slash and no leading dot")
    return folder / label / f"{label}_g{write_group(group)}_c{number:02}.mp4"


def write_group(group: str) -> str:
    """Write a group's name as file names hold it: `Anna M.` becomes `Anna-M`.

    Raises:
        InputError: Nothing of it is left.
    """
    name = "-".join(re.findall(r"[A-Za-z0-9]+", group))
    if not name:
        raise InputError(f"group {group!r}: file names hold A-Z, a-z and 0-9 of it; use some")
    return name
