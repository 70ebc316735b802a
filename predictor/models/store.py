"""Making, keeping and finding forecasters: JSON and npz, numbered versions, written atomically.

A model folder holds `v000001`, `v000002`, ...; each has `model.json` (everything but arrays, and
the hash of all) and `arrays.npz`. Nothing in them is code.
"""

import copy
import hashlib
import io
import json
import logging
import tempfile
import zipfile
import zlib
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from har_stream.core.errors import InputError
from predictor.models.dbn import DbnForecaster
from predictor.models.hmm import HmmForecaster
from predictor.models.online import Forecaster
from predictor.prior.common_habits import CommonHabits

logger = logging.getLogger(__name__)

SCHEMA = 5
AHEAD = timedelta(hours=1)
"""A model that has seen more of the future than this learnt from a wrong date."""
N_KEPT = 30
"""Newest versions that stay in a folder."""
_MODEL, _ARRAYS = "model.json", "arrays.npz"
_MODELS: dict[str, type[HmmForecaster]] = {"hmm": HmmForecaster, "dbn": DbnForecaster}
NAMES = tuple(_MODELS)


def create(
    name: str,
    *,
    repeats: bool = False,
    confusion: dict[str, dict[str, float]] | None = None,
    common: CommonHabits | None = None,
) -> HmmForecaster:
    """Make a forecaster that knows nothing yet of its home.

    Args:
        name: ``hmm`` or ``dbn``.
        repeats: Whether an activity may follow itself; otherwise bouts merge into sessions.
        confusion: p(label recognised | label true) by true, then recognised label.
        common: What it knows of other homes.

    Raises:
        InputError: There is no such model.
    """
    try:
        model = _MODELS[name]
    except KeyError:
        raise InputError(f"no model {name!r}: choose {' or '.join(_MODELS)}") from None
    return model(repeats=repeats, confusion=confusion or {}, common=common or CommonHabits())


def copy_of(forecaster: Forecaster) -> HmmForecaster:
    """Return a forecaster that knows the same, and learns apart."""
    arrays: dict[str, Any] = {}
    state = copy.deepcopy(_unload(forecaster, "", arrays))
    twin = create(forecaster.name)
    _restore(twin, state, "", {name: array.copy() for name, array in arrays.items()})
    return twin


_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged version may raise."""


def save(forecaster: Forecaster, folder: Path) -> Path:
    """Write a new version into `folder`; the older ones stay. Returns the version's path.

    Raises:
        InputError: It cannot be written.
    """
    arrays: dict[str, Any] = {}
    state = _unload(forecaster, "", arrays)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    content = {
        "schema": SCHEMA,
        "model": forecaster.name,
        "sha256": _digest(state, buffer.getvalue()),
        "state": state,
    }
    try:
        return _keep(json.dumps(content, indent=1) + "\n", buffer.getvalue(), folder)
    except OSError as error:
        raise InputError(f"{folder}: no model can be kept there: {error.strerror}") from error


def load(path: Path, *, now: datetime | None = None) -> HmmForecaster:
    """Read the newest usable version of a model folder, or one version.

    A damaged version, or one that has seen the future, is named in the log, and the one before it
    is taken.

    Args:
        path: The folder.
        now: What lies more than `AHEAD` after it is the future.

    Raises:
        InputError: There is no usable version.
    """
    candidates = [path] if (path / _MODEL).is_file() else _versions(path)
    for version in candidates:
        try:
            forecaster = _read(version)
            seen_until = forecaster.seen_until
            if now is not None and seen_until is not None and seen_until > now + AHEAD:
                raise InputError(f"it has seen the future ({seen_until:%Y-%m-%d %H:%M})")
            return forecaster
        except InputError as error:
            logger.warning("%s cannot be used: %s; taking the version before it", version, error)
        except _DAMAGED as error:
            logger.warning("%s is damaged (%s); taking the version before it", version, error)
    raise InputError(f"{path}: holds no usable model; make one with train-hmm LOG --out {path}")


def _keep(model: str, arrays: bytes, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    versions = _versions(folder)
    number = int(versions[0].name[1:]) + 1 if versions else 1
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as made:
        new = Path(made) / "version"
        new.mkdir()
        (new / _ARRAYS).write_bytes(arrays)
        (new / _MODEL).write_text(model)
        path = new.rename(folder / f"v{number:06d}")
    for old in versions[N_KEPT - 1 :]:
        _remove(old)
    return path


def _read(version: Path) -> HmmForecaster:
    content = json.loads((version / _MODEL).read_text())
    if content["schema"] != SCHEMA:
        raise InputError("it was made by another har-stream; fit it anew with train-hmm")
    packed = (version / _ARRAYS).read_bytes()
    if _digest(content["state"], packed) != content["sha256"]:
        raise ValueError("it differs from its hash")
    forecaster = create(content["model"])
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        _restore(forecaster, content["state"], "", dict(arrays))
    return forecaster


def _digest(state: dict[str, Any], arrays: bytes) -> str:
    return hashlib.sha256(json.dumps(state).encode() + arrays).hexdigest()


def _unload(part: Any, prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """Take a dataclass apart: arrays go to `arrays` under dotted names, the rest is returned."""
    state: dict[str, Any] = {}
    for name in (each.name for each in fields(part)):
        value = getattr(part, name)
        if is_dataclass(value):
            state[name] = _unload(value, f"{prefix}{name}.", arrays)
        elif isinstance(value, np.ndarray):
            arrays[f"{prefix}{name}"] = value
        elif isinstance(value, datetime):
            state[name] = {"at": value.isoformat()}
        else:
            state[name] = value
    return state


def _restore(part: Any, state: dict[str, Any], prefix: str, arrays: dict[str, Any]) -> None:
    """Put back together what `_unload` took apart, into a fresh dataclass."""
    for name in (each.name for each in fields(part)):
        value = getattr(part, name)
        if is_dataclass(value):
            _restore(value, state[name], f"{prefix}{name}.", arrays)
        elif isinstance(value, np.ndarray):
            setattr(part, name, arrays[f"{prefix}{name}"])
        elif isinstance(state[name], dict) and state[name].keys() == {"at"}:
            setattr(part, name, datetime.fromisoformat(state[name]["at"]))
        else:
            setattr(part, name, state[name])


def _versions(folder: Path) -> list[Path]:
    """Return the versions in a folder, the newest first."""
    return sorted(folder.glob("v[0-9]*"), reverse=True)


def _remove(version: Path) -> None:
    for file in version.iterdir():
        file.unlink()
    version.rmdir()
