"""Which bundle recognises: changed while cameras are watched, and kept over restarts."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from har_stream.bundles.bundle import DEFAULT, Bundle, Manifest, bundle_paths, read_named_manifest
from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.config.settings import Settings
from har_stream.config.state_dir import bundle_file
from har_stream.core.atomic_file import replacing, writing
from har_stream.core.errors import InputError
from har_stream.mqtt.requests import BridgeRequest
from har_stream.pipeline import Pipeline
from har_stream.publishing.bridge_requests import Answer
from har_stream.recognition.recogniser import Recogniser

logger = logging.getLogger(__name__)

CHANGE_S = 10.0
"""So long the next turn of the pipeline is waited for."""


class _Kept(BaseModel):
    """What a node was told.

    Attributes:
        configured: What the configuration named then; where it names another one by now, that one
            is newer and counts.
        bundle: What to use in its place, by name.
        before: What was used before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    configured: str
    bundle: str
    before: str


def load_bundle_in_use(settings: Settings) -> Bundle:
    """Load the bundle that a node was last told to use, or else the configured one.

    Raises:
        InputError: The configured one cannot be used.
    """
    configured = settings.bundle or DEFAULT
    kept = _read(settings)
    if kept is not None and kept.bundle != configured:
        try:
            used = load_with_weights(_find(kept.bundle, settings), state_dir=settings.state_dir)
        except InputError as error:
            logger.warning("not used any more, so %s is: %s", configured, error)
        else:
            logger.info("bundle %s, as it was chosen in place of %s", kept.bundle, configured)
            return used
    return load_with_weights(configured, state_dir=settings.state_dir)


class BundleUse:
    """Changes the bundle at somebody's request.

    Args:
        settings: Of the node.
        bundle: What recognises now.
        pipeline: Where it does.
        check: Raises `InputError` for a bundle that cannot give what the node was started for.
        has_open_falls: Whether somebody lies there after a fall that nobody has answered to.
        when_changed: Told of the new one.
    """

    def __init__(
        self,
        settings: Settings,
        bundle: Bundle,
        pipeline: Pipeline,
        *,
        check: Callable[[Manifest], None],
        has_open_falls: Callable[[], bool],
        when_changed: Callable[[Bundle], None],
    ) -> None:
        self._settings = settings
        self._bundle = bundle
        self._pipeline = pipeline
        self._check_asked = check
        self._has_open_falls = has_open_falls
        self._when_changed = when_changed
        kept = _read(settings)
        self._before = kept.before if kept and kept.bundle == bundle.path.name else None

    def answers(self) -> Mapping[str, Answer]:
        """Return what may be asked: which bundles there are, and to use one."""
        return {"bundles": lambda _: self._list(), "use_bundle": self._use}

    def known_labels(self) -> frozenset[str]:
        """Return what the bundle in use tells without having been taught it at home."""
        manifest = self._bundle.manifest
        told = {*manifest.labels, *manifest.activities, *manifest.output_names}
        return frozenset(told - set(manifest.taught))

    def _list(self) -> dict[str, object]:
        found = {}
        for path in bundle_paths(self._settings.state_dir):
            try:
                manifest = read_named_manifest(str(path), state_dir=self._settings.state_dir)
                self._check_asked(manifest)
            except InputError:
                continue  # --list-bundles says why
            found[path.name] = {
                "path": str(path),
                "labels": list(manifest.labels),
                "taught": list(manifest.taught),
                "teachable": _is_teachable(manifest),
                "measured": dict(manifest.metrics),
            }
        return {"bundle": self._bundle.path.name, "before": self._before, "bundles": found}

    def _use(self, request: BridgeRequest) -> dict[str, object]:
        if not request.bundle:
            raise InputError("use_bundle needs bundle, its name")
        path = _find(request.bundle, self._settings)
        self._check(read_named_manifest(path, state_dir=self._settings.state_dir))
        loaded = load_with_weights(path, state_dir=self._settings.state_dir)
        before = self._bundle.path.name
        changed = threading.Event()

        def change() -> None:
            self._bundle, self._before = loaded, before
            self._when_changed(loaded)
            changed.set()

        self._pipeline.change_recogniser(
            Recogniser(loaded, engine=self._settings.engine), when_changed=change
        )
        if not changed.wait(CHANGE_S):
            raise InputError("recognition does not go on; the bundle changes when it does")
        logger.info("bundle %s recognises from here on, in place of %s", request.bundle, before)
        self._keep(_Kept(configured=self._configured, bundle=request.bundle, before=before))
        return {"bundle": request.bundle, "before": before}

    def _check(self, manifest: Manifest) -> None:
        """Refuse what cannot take over now.

        Raises:
            InputError: It cannot; says why.
        """
        self._check_asked(manifest)
        if manifest.falls is None and self._has_open_falls():
            raise InputError(
                f"{manifest.name} does not watch for falls, and somebody lies there: acknowledge "
                "the fall first"
            )

    @property
    def _configured(self) -> str:
        return self._settings.bundle or DEFAULT

    def _keep(self, kept: _Kept) -> None:
        path = bundle_file(self._settings.state_dir, self._settings.node)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(kept.model_dump_json())


def _is_teachable(manifest: Manifest) -> bool:
    """Tell whether a household's activities can be added: it follows a person, untaught so far."""
    clip = manifest.clip
    return clip.person == "keypoints" and bool(manifest.outputs) and not manifest.taught


def _find(name: str, settings: Settings) -> str:
    """Return the path of a bundle by its name alone; a request names no path.

    Raises:
        InputError: There is none of that name.
    """
    known = {path.name: str(path) for path in bundle_paths(settings.state_dir)}
    if settings.bundle:
        known.setdefault(Path(settings.bundle).name, settings.bundle)
    if name not in known:
        raise InputError(f"no bundle {name!r:.80}; there are {', '.join(known)}")
    return known[name]


def _read(settings: Settings) -> _Kept | None:
    path = bundle_file(settings.state_dir, settings.node)
    try:
        kept = _Kept.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        logger.warning("%s: cannot be read, so the configured bundle counts: %s", path, error)
        return None
    return kept if kept.configured == (settings.bundle or DEFAULT) else None
