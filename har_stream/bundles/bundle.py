"""The model artefact on disk: a folder with `manifest.json` and its networks, and nothing else.

A bundle says everything about itself (labels, clip spec, calibration, thresholds, metrics,
provenance), so loading one needs only a path. It holds no pickle: JSON, `.tflite`, `.keras`.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from har_stream.bundles import weights
from har_stream.config.problems import problems
from har_stream.config.state_dir import bundles_dir
from har_stream.core.activity import FALLEN, LYING, MAX_LABELS, MAX_NAME_LENGTH, SLEEPING, UNKNOWN
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from har_stream.core.thresholds import FallRule, Thresholds
from har_stream.core.user_path import is_there, user_path

MANIFEST = "manifest.json"
SHIPPED = Path(__file__).parent
"""Bundles that come with the package."""
DEFAULT = "home"

Role = Literal["pose", "scene", "encoder", "advance", "head", "taught"]
Format = Literal["litert", "litert_float16", "litert_int8", "keras", "numpy"]
Memory = Literal["staggered", "ring", "running"]

MAX_MANIFEST_BYTES = 4_000_000
MAX_FILE_BYTES = 1 << 29
MAX_FRAMES = 1000
MAX_PIXELS = 20_000_000
"""Of all frames of a window together."""
MAX_HZ = 240.0
MAX_WAIT_S = 86_400.0
FIRST_PIXELS = 2
"""Of bundles that do not say."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Calibration(_Part):
    """What logits are worth: probabilities, or nothing at all.

    Temperature scaling (Guo et al. 2017): probabilities = softmax(logits / temperature). Open set
    (Liu et al. 2020, "Energy-based out-of-distribution detection"): a window whose free energy
    -log(sum(exp(logits))) is above `energy_above` shows nothing that was taught; none: no rule.
    """

    temperature: float = Field(default=1.0, ge=1e-3, le=1e3)
    energy_above: float | None = Field(default=None, ge=-1e6, le=1e6)
    ece_before: float | None = None
    ece_after: float | None = None

    def knows(self, energy: float) -> bool:
        """Say whether a window of this free energy may show something that was taught."""
        return self.energy_above is None or energy <= self.energy_above


class Provenance(_Part):
    """Where the bundle comes from and how far its metrics may be trusted."""

    command: str = Field(description="the command that made it")
    dataset: str
    split: str = Field(description="group, official list, study (random), ...")
    leaks: bool = Field(description="true where cuts of one video lie on both sides of the split")
    seed: int
    trained_on: tuple[str, ...] = Field(
        (), description="class/group of every clip learned from, so that evaluation can tell leaks"
    )
    n_train_clips: int
    n_test_clips: int
    made_at: str = Field(description="UTC, ISO 8601")
    version: str = Field(description="version of har-stream")
    licence: str


class ExternalNetwork(_Part):
    """A file that the bundle needs but may not contain: a pretrained backbone.

    It is found by its hash where weights are kept; see `har_stream.bundles.weights`.
    """

    sha256: str
    how: str = Field(description="what brings it, mostly a command")
    frames: str = Field("frames", description="what it calls its input of frames")
    features: str = Field("features", description="what it calls the output that is read")


class Manifest(_Part):
    """What `manifest.json` holds.

    Attributes:
        networks: File name per role and format. `encoder` turns a frame into features; `advance`
            takes features, ages and states one step on; `head` reads a ring of features; `pose`
            finds key points, `scene` sees the whole image, and `taught` tells the taught labels.
        outputs: What the networks tell apart, where labels are made of it; otherwise the labels.
        memory: `staggered`: one recurrent state per open window, begun anew at age 0; `ring`: the
            features of a window are kept and the head reads them; `running`: one state for the
            whole stream, begun anew after a gap and after `reset_frames`.
        hop_frames: Frames between two decisions.
        taught: Labels that a household has taught it, by a head of their own.
        falls: When somebody has fallen; none: it does not watch for falls.
        pixels: The way of reading frames that it was learned from; see `core.frame.PIXELS`.
        confusion: `confusion[i][j]` = P(label j recognised | label i true), counted on test clips.
        sha256: Hash per file, checked on loading.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    name: str = Field(max_length=MAX_NAME_LENGTH)
    about: str
    network: str
    n_parameters: int
    labels: tuple[str, ...]
    clip: ClipSpec
    memory: Memory
    hop_frames: int = Field(ge=1, le=MAX_FRAMES)
    reset_frames: int | None = Field(default=None, ge=1)
    pixels: int = FIRST_PIXELS
    networks: dict[Role, dict[Format, str]]
    outputs: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()
    calibration: Calibration = Calibration()
    deciding: Thresholds = Thresholds()
    falls: FallRule | None = None
    confusion: tuple[tuple[float, ...], ...] | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    provenance: Provenance
    outside: dict[str, ExternalNetwork] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @model_validator(mode="after")
    def _labels_agree(self) -> "Manifest":
        n_labels = len(self.labels)
        if n_labels < 2 or len(set(self.labels)) != n_labels:
            raise ValueError("labels: at least two, all different")
        if n_labels > MAX_LABELS or max(map(len, self.labels)) > MAX_NAME_LENGTH:
            raise ValueError(f"labels: {MAX_LABELS} of {MAX_NAME_LENGTH} characters at most")
        if not all(label.isprintable() and label.strip() for label in self.labels):
            raise ValueError("labels: text that can be shown")
        if UNKNOWN in self.labels:
            raise ValueError(f"labels: {UNKNOWN!r} is said where none of them fits; rename it")
        if self.confusion is not None and (
            len(self.confusion) != n_labels or any(len(row) != n_labels for row in self.confusion)
        ):
            raise ValueError(f"confusion: {n_labels} labels need {n_labels} x {n_labels} values")
        named = {"deciding.urgent": self.deciding.urgent, "taught": self.taught}
        if self.falls is not None:
            if not self.falls.floor or not self.falls.upright:
                raise ValueError("falls: floor and upright name at least one label each")
            named["falls"] = self.falls.labels
        for where, labels in named.items():
            foreign = set(labels) - {*self.labels, *self.outputs}
            if foreign:
                raise ValueError(f"{where}: no such label: {', '.join(sorted(foreign))}")
        return self

    @model_validator(mode="after")
    def _clip_is_sane(self) -> "Manifest":
        clip = self.clip
        if min(clip.n_frames, clip.height_px, clip.width_px) < 1 or clip.n_frames > MAX_FRAMES:
            raise ValueError(f"clip: 1 to {MAX_FRAMES} frames of at least one pixel")
        if clip.n_frames * clip.height_px * clip.width_px > MAX_PIXELS:
            raise ValueError(f"clip: the frames of a window have {MAX_PIXELS} pixels at most")
        if not 0 < clip.sample_hz <= MAX_HZ:
            raise ValueError(f"clip.sample_hz: above 0, and {MAX_HZ:g} at most")
        if not 0 < abs(clip.scale) <= 1e3 or abs(clip.offset) > 1e3:
            raise ValueError("clip: scale and offset bring 0..255 to what a network takes in")
        return self

    @model_validator(mode="after")
    def _thresholds_are_sane(self) -> "Manifest":
        shares = ("reject_below", "margin_below", "enter_above", "leave_below")
        for name in (*shares, "min_dwell_s", "average_s", "idle_after_s"):
            most = 1.0 if name in shares else MAX_WAIT_S
            if not 0 <= getattr(self.deciding, name) <= most:
                raise ValueError(f"deciding.{name}: 0 to {most:g}")
        if self.falls is not None:
            for name in ("within_s", "after_s", "average_s", "up_for_s", "long_lie_s"):
                if not 0 <= getattr(self.falls, name) <= MAX_WAIT_S:
                    raise ValueError(f"falls.{name}: 0 to {MAX_WAIT_S:g}")
            for name in ("floor_above", "up_above", "comes_down"):
                if not 0 <= getattr(self.falls, name) <= 1:
                    raise ValueError(f"falls.{name}: 0 to 1")
            if self.falls.n_samples < 1:
                raise ValueError("falls.n_samples: 1 or more")
        if not all(0 <= share <= 1 for row in self.confusion or () for share in row):
            raise ValueError("confusion: shares from 0 to 1")
        return self

    @model_validator(mode="after")
    def _files_lie_in_the_folder(self) -> "Manifest":
        for files in self.networks.values():
            for name in files.values():
                if name in ("", ".", "..") or not set(name).isdisjoint("/\\\0"):
                    raise ValueError(f"networks: {name!r} is no name of a file in the folder")
        return self

    @property
    def activities(self) -> tuple[str, ...]:
        """What may be announced: the labels, and what the fall rule and drawn regions add."""
        found = () if self.falls is None else (FALLEN, LYING, SLEEPING)
        return tuple(dict.fromkeys((*self.labels, *found)))

    @model_validator(mode="after")
    def _person_is_found(self) -> "Manifest":
        if self.networks and (self.clip.person == "none") != ("pose" not in self.networks):
            raise ValueError(f"clip.person: {self.clip.person}: a pose network finds a person")
        own = {"scene", "taught"} if self.taught and self.clip.person == "keypoints" else set()
        if bool(own) != bool(self.taught) or {"scene", "taught"} & self.networks.keys() != own:
            raise ValueError("taught: by networks scene and taught, beside key points")
        return self

    @property
    def output_names(self) -> tuple[str, ...]:
        """What the networks tell apart, in their order."""
        return self.outputs or self.labels

    def confusion_by_label(self) -> dict[str, dict[str, float]]:
        """Return P(label recognised | label true), by true, then by recognised label.

        Raises:
            InputError: None was measured.
        """
        if self.confusion is None:
            raise InputError(
                f"bundle {self.name} holds no confusion matrix; train-har fit measures one"
            )
        return {
            true: dict(zip(self.labels, row, strict=True))
            for true, row in zip(self.labels, self.confusion, strict=True)
        }


class Bundle:
    """A checked bundle folder.

    Attributes:
        path: The folder.
        manifest: What it says about itself.
        hash: SHA-256 of the manifest, which holds the hashes of all files.
    """

    def __init__(
        self, path: Path, manifest: Manifest, manifest_hash: str, *, brought: Mapping[str, Path]
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.hash = manifest_hash
        self._brought = brought

    def file(self, role: Role, file_format: Format) -> Path | None:
        """Path of one network; ``None`` where the bundle has none of that format."""
        name = self.manifest.networks.get(role, {}).get(file_format)
        return self._brought.get(name, self.path / name) if name else None

    def outside(self, role: Role) -> ExternalNetwork | None:
        """What the manifest says of a network from outside; ``None`` where it is the bundle's."""
        names = self.manifest.networks[role].values()
        return next((self.manifest.outside[name] for name in names if name in self._brought), None)


def shipped_names() -> list[str]:
    """Names of the bundles in the package."""
    return sorted(found.parent.name for found in SHIPPED.glob(f"*/{MANIFEST}"))


def bundle_paths(state_dir: Path) -> list[Path]:
    """Where bundles lie: the shipped ones, then a person's own."""
    own = sorted(bundles_dir(state_dir).glob(f"*/{MANIFEST}"))
    return [SHIPPED / name for name in shipped_names()] + [found.parent for found in own]


def load_named_bundle(name_or_path: str, *, state_dir: Path) -> Bundle:
    """Load a bundle by its path or name: a person's own comes before a shipped one.

    Raises:
        InputError: There is none, or it cannot be used.
    """
    return load_bundle(find_bundle(name_or_path, own=bundles_dir(state_dir)))


def read_named_manifest(name_or_path: str, *, state_dir: Path) -> Manifest:
    """Read what a bundle says of itself, found as by `load_named_bundle`, without its networks.

    Raises:
        InputError: There is none, or it cannot be read.
    """
    return _read_manifest(find_bundle(name_or_path, own=bundles_dir(state_dir)))[0]


def find_bundle(name_or_path: str, *, own: Path | None = None) -> Path:
    """Find a bundle by path, by name among a person's own, or by name in the package.

    Raises:
        InputError: There is none; the message lists the names that exist.
    """
    places = (own, SHIPPED) if own is not None else (SHIPPED,)
    candidates = [user_path(name_or_path), *(place / name_or_path for place in places)]
    for path in candidates:
        if is_there(path / MANIFEST):
            return path
    if is_there(candidates[0]):
        raise InputError(f"{candidates[0]}: no {MANIFEST} in it, so it is not a bundle")
    names = ", ".join(shipped_names())
    raise InputError(f"no bundle {name_or_path[:200]!r}: give a bundle folder or one of {names}")


def load_bundle(path: Path) -> Bundle:
    """Read and check a bundle; its networks are read later, by the engine that runs them.

    Raises:
        InputError: The manifest is missing or wrong, or a file is missing or altered; a backbone
            from outside that is missing is told with the command that brings it.
    """
    manifest, manifest_hash = _read_manifest(path)
    for files in manifest.networks.values():
        for name in files.values():
            if name not in manifest.outside:
                _check_file(path / name, manifest.sha256.get(name))
    brought = {name: _bring(path, name, of) for name, of in manifest.outside.items()}
    return Bundle(path, manifest, manifest_hash, brought=brought)


def save_bundle(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle whole or not at all: an older one is replaced only by a complete new one."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = manifest.model_copy(update={"sha256": hashes})
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as made:
        new = Path(made) / "new"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        (new / MANIFEST).write_text(_to_json(manifest))
        if path.exists():
            path.rename(Path(made) / "old")
        new.rename(path)
    return load_bundle(path)


def _read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Return the manifest and the SHA-256 of its file."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if len(text) > MAX_MANIFEST_BYTES:
        raise InputError(f"{path}: more than {MAX_MANIFEST_BYTES // 1_000_000} MB; no manifest")
    try:
        return Manifest.model_validate_json(text), hashlib.sha256(text).hexdigest()
    except ValidationError as error:
        said = problems(error, Manifest)[0]
        raise InputError(f"{path}: {said}; export the bundle anew") from error


def _to_json(manifest: Manifest) -> str:
    content: dict[str, Any] = manifest.model_dump(mode="json")
    return json.dumps(content, indent=2) + "\n"


def _bring(path: Path, name: str, outside: ExternalNetwork) -> Path:
    found = weights.find_by_hash(outside.sha256, suffix=Path(name).suffix)
    if found is None:
        how = weights.with_folder(outside.how)
        raise InputError(f"{path}: it needs {name}, which is not its own; bring it: {how}")
    return found


def _check_file(path: Path, expected: str | None) -> None:
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MAX_FILE_BYTES:  # a device or a pipe is read for ever
            raise InputError(f"{path}: no file of a network; export the bundle anew")
        found = weights.hash_of(path)
    except OSError as error:
        raise InputError(
            f"{path}: the bundle's manifest names it, but it cannot be read ({error.strerror}); "
            "export the bundle anew"
        ) from error
    if found != expected:
        raise InputError(f"{path}: differs from the manifest's hash; export the bundle anew")
