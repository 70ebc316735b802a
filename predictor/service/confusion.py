"""The recogniser's confusion matrix, read from its bundle: how far its bare labels are trusted.

Only the manifest is read; `har_stream.bundles.bundle` would bring OpenCV along.
"""

import json
from importlib.resources import files
from pathlib import Path

from har_stream.core.errors import InputError

Confusion = dict[str, dict[str, float]]
"""p(label recognised | label true) by true, then recognised label."""


def read_confusion(name_or_path: str) -> Confusion:
    """Read it from a bundle that comes with the package, by name, or from a bundle's folder.

    Raises:
        InputError: There is no such bundle, or its manifest holds no confusion matrix.
    """
    shipped = Path(str(files("har_stream"))) / "bundles" / name_or_path
    path = (shipped if shipped.is_dir() else Path(name_or_path)) / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        labels, rows = manifest["labels"], manifest["confusion"]
        return {
            true: {each: float(share) for each, share in zip(labels, row, strict=True)}
            for true, row in zip(labels, rows, strict=True)
        }
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}; har-stream --list-bundles names those there"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: holds no confusion matrix; train-har fit measures one"
        ) from error
