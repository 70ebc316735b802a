"""Brings weights from outside at their first use: from where they are published, checked, once."""

import os
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from har_stream.bundles import weights
from har_stream.bundles.bundle import (
    DEFAULT,
    Bundle,
    Manifest,
    load_named_bundle,
    read_named_manifest,
)
from har_stream.bundles.fetch_file import fetch_file
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.core.atomic_file import writing
from har_stream.core.errors import InputError


def load_with_weights(name_or_path: str, *, state_dir: Path) -> Bundle:
    """Load a bundle as `load_named_bundle` does; fetch what it needs from outside and is not here.

    Weights are fetched if their hash is in our table: a stranger's bundle names no address.

    Raises:
        InputError: There is no such bundle, it cannot be used, or weights cannot be fetched; says
            where to put them by hand, and which bundle needs none.
    """
    manifest = read_named_manifest(name_or_path, state_dir=state_dir)
    for name in absent_weights(manifest):
        try:
            fetch_weights(name)
        except InputError as error:
            raise InputError(
                f"bundle {manifest.name} needs weights that are not here: "
                f"{weights.with_folder(str(error))}; or take --bundle {DEFAULT}, which needs none"
            ) from error
    return load_named_bundle(name_or_path, state_dir=state_dir)


def absent_weights(manifest: Manifest) -> list[str]:
    """Name the published weights that a bundle needs and that are not here yet."""
    hashes = {outside.sha256 for outside in manifest.outside.values()}
    return [
        name
        for name, remote in WEIGHTS.items()
        if remote.sha256 in hashes
        and weights.find_by_hash(remote.sha256 or "", suffix=Path(remote.name).suffix) is None
    ]


def fetch_weights(name: str) -> Path:
    """Find weights by their published hash; fetch them where they are not here yet.

    Raises:
        InputError: They cannot be fetched or written; says where to put them by hand.
    """
    remote = WEIGHTS[name]
    assert remote.sha256 is not None and remote.n_bytes is not None  # noqa: S101 - it is in the table
    found = weights.find_by_hash(remote.sha256, suffix=Path(remote.name).suffix)
    if found is not None:
        return found
    path = weights.folder() / name / remote.name
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    if given := os.environ.get(weights.ENVIRONMENT):
        console.print(
            f"{weights.ENVIRONMENT}: {given} holds no {remote.name} of SHA-256 {remote.sha256}",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"fetching {name}, once: {remote.n_bytes / 1e6:.1f} MB, {remote.licence}, {remote.url}",
        highlight=False,
        soft_wrap=True,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task(remote.name, total=remote.n_bytes)
        fetch_file(
            remote, path, advance=lambda n_here, _: shown.update(task, completed=n_here), n_idle=1
        )
    return path
