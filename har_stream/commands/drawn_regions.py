"""Regions that somebody drew on the page: they hold at once, and after a restart."""

import logging
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from har_stream.config.camera_settings import CameraSettings
from har_stream.config.problems import problems
from har_stream.config.regions import Regions
from har_stream.config.settings import Settings
from har_stream.config.state_dir import regions_file
from har_stream.core.atomic_file import replacing, writing
from har_stream.core.errors import InputError
from har_stream.mqtt.requests import BridgeRequest
from har_stream.publishing.bridge_requests import Answer

logger = logging.getLogger(__name__)


class _Drawn(BaseModel):
    """What was drawn for a camera.

    Attributes:
        configured: What the configuration said then; where it says something else by now, that is
            newer and counts.
        drawn: What holds in its place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    configured: Regions
    drawn: Regions


_FILE = TypeAdapter(dict[str, _Drawn])


def with_drawn_regions(settings: Settings) -> Settings:
    """Return the settings with the regions that were drawn last."""
    kept = _read(settings)
    cameras = tuple(
        camera.model_copy(update={"regions": kept[camera.id].drawn})
        if camera.id in kept and kept[camera.id].configured == camera.regions
        else camera
        for camera in settings.cameras
    )
    return settings.model_copy(update={"cameras": cameras})


class RegionRequests:
    """Tells which regions hold, and takes new ones.

    Args:
        configured: The node's settings, as the configuration has them.
        cameras: The cameras as they are watched.
        apply: Has a camera's regions hold from now on.
    """

    def __init__(
        self,
        configured: Settings,
        cameras: tuple[CameraSettings, ...],
        *,
        apply: Callable[[str, Regions], None],
    ) -> None:
        self._settings = configured
        self._configured = {camera.id: camera.regions for camera in configured.cameras}
        self._cameras = {camera.id: camera for camera in cameras}
        self._apply = apply

    def answers(self) -> Mapping[str, Answer]:
        """Return what may be asked: which regions hold, and to have others hold."""
        return {"regions": lambda _: self._list(), "set_regions": self._set}

    def _list(self) -> dict[str, object]:
        return {
            name: {"regions": camera.regions.model_dump(mode="json"), "part": camera.region}
            for name, camera in self._cameras.items()
        }

    def _set(self, request: BridgeRequest) -> dict[str, object]:
        camera = self._cameras.get(request.camera or "")
        if camera is None or request.regions is None:
            raise InputError(
                f"set_regions needs regions and camera, one of {', '.join(self._cameras)}"
            )
        try:
            regions = Regions.model_validate(request.regions)
        except ValidationError as error:
            raise InputError("; ".join(problems(error))) from error
        self._cameras[camera.id] = camera.model_copy(update={"regions": regions})
        self._apply(camera.id, regions)
        self._keep()
        logger.info("camera %s: other regions hold from here on", camera.id)
        return {"camera": camera.id}

    def _keep(self) -> None:
        drawn = {
            name: _Drawn(configured=self._configured[name], drawn=camera.regions)
            for name, camera in self._cameras.items()
            if camera.regions != self._configured[name]
        }
        path = regions_file(self._settings.state_dir, self._settings.node)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(_FILE.dump_json(drawn).decode())


def _read(settings: Settings) -> dict[str, _Drawn]:
    path = regions_file(settings.state_dir, settings.node)
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        logger.warning("%s: cannot be read, so the configured regions hold: %s", path, error)
        return {}
