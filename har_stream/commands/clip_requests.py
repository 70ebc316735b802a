"""What a node answers about the clips that it keeps: which there are, what they show, record now.

The page shows the clips, and whoever may publish may ask; the node alone writes their folder.
"""

from collections.abc import Callable, Collection, Mapping

from har_stream.config.settings import ClipSettings
from har_stream.core.activity import FALLEN, IDLE, LYING, SLEEPING, UNKNOWN
from har_stream.core.errors import InputError
from har_stream.mqtt.requests import BridgeRequest
from har_stream.preview.clip_keeper import ClipKeeper
from har_stream.publishing.bridge_requests import Answer

MAX_LISTED = 500
NOBODY = frozenset({FALLEN, LYING, SLEEPING, IDLE, UNKNOWN})
"""Labels that are no household's own."""


class ClipRequests:
    """Answers requests about clips.

    Args:
        keeper: Of the clips; ``None``: none are kept, which is what is answered.
        bounds: Of their folder.
        known: Labels that the bundle knows without having been taught them: they are ordinary.
    """

    def __init__(
        self,
        keeper: ClipKeeper | None,
        bounds: ClipSettings,
        *,
        known: Callable[[], Collection[str]],
    ) -> None:
        self._kept_by = keeper
        self._bounds = bounds
        self._known = known

    def answers(self) -> Mapping[str, Answer]:
        """Return what may be asked, by name."""
        return {
            "clips": lambda _: self._list(),
            "label_clip": self._label,
            "delete_clip": self._delete,
            "delete_clips": lambda _: {"deleted": self._keeper.folder.delete()},
            "record_clips": self._record,
        }

    @property
    def _keeper(self) -> ClipKeeper:
        if self._kept_by is None:
            raise InputError("it keeps no clips: start har-stream with --keep-clips")
        return self._kept_by

    def _list(self) -> dict[str, object]:
        clips = self._keeper.folder.clips()
        return {
            "clips": [
                {
                    "clip": clip.path.stem,
                    "file": str(clip.path.relative_to(self._keeper.folder.path)),
                    "camera": clip.camera,
                    "at": clip.at.isoformat(),
                    "kind": clip.kind,
                    "place": clip.place,
                    "label": clip.label,
                    "session": clip.session,
                }
                for clip in clips[:MAX_LISTED]
            ],
            "count": len(clips),
            "megabytes": sum(clip.n_bytes for clip in clips) / 1e6,
            "bounds": self._bounds.model_dump(exclude={"enabled"}),
            "recording": {
                camera: {"label": each.label, "ends_at": each.ends_at.isoformat()}
                for camera, each in self._keeper.recordings().items()
            },
        }

    def _label(self, request: BridgeRequest) -> dict[str, object]:
        self._keeper.folder.label(_needed(request.clip, "clip"), self._taught(request.label))
        return {"clip": request.clip}

    def _delete(self, request: BridgeRequest) -> dict[str, object]:
        return {"deleted": self._keeper.folder.delete([_needed(request.clip, "clip")])}

    def _record(self, request: BridgeRequest) -> dict[str, object]:
        if request.seconds == 0:
            self._keeper.stop()
            return {}
        begun = self._keeper.record(
            _needed(request.camera, "camera"),
            label=self._taught(request.label),
            seconds=request.seconds or 60.0,
        )
        return {"session": begun.session, "ends_at": begun.ends_at.isoformat()}

    def _taught(self, label: str | None) -> str | None:
        """Return an activity that can be taught; all else is ordinary."""
        given = _needed(label, "label")
        return None if given in NOBODY or given in self._known() else given


def _needed(value: str | None, field: str) -> str:
    if not value:
        raise InputError(f"the request needs {field}")
    return value
