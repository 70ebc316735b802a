"""Frames in, news out: what the cameras deliver becomes recognitions and changes of activity.

Read this first. `cameras.readers.Readers` delivers frames, changes of state and ends of sources;
one `recognition.recogniser.Recogniser` decides for all cameras at once; each camera's
`recognition.camera_track.CameraTrack` makes recognitions and changes of its decisions. What comes
out goes to `publishing.publisher.Publisher`, and to the preview.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from har_stream.cameras.masks import ignore_parts
from har_stream.cameras.readers import Arrival, EndOfSource
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.regions import Polygon, Regions
from har_stream.core.activity import CameraStatus, News
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec, Frame
from har_stream.recognition.camera_track import CameraTrack
from har_stream.recognition.recogniser import Decision, Recogniser

WAIT_S = 0.25
"""Longest wait for an arrival, so that a stop is noticed."""
HUNG_S = 30.0
"""No turn takes so long, unless an engine, a decoder or whoever uses the news hangs."""


class Arrivals(Protocol):
    """Where frames come from: `cameras.readers.Readers`, or a stream made up to measure."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""

    def next_arrivals(self, timeout_s: float) -> list[Arrival]:
        """Return at most one item of each camera; wait for one no longer than this."""


class Pipeline:
    """What all cameras see, as it happens.

    Args:
        recogniser: Shared by all cameras; its bundle says how to decide.
        cameras: Whom to expect; each may override how to decide.
        on_frame: Called with every frame that is looked at, before its decision.
        clock: Steady seconds, the one that arrivals are stamped with.

    Raises:
        InputError: A camera calls a label urgent that the bundle does not know.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        cameras: Iterable[CameraSettings],
        *,
        on_frame: Callable[[str, Frame], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_frame = on_frame
        self._clock = clock
        self._cameras = {each.id: each for each in cameras}
        self._ignored: dict[str, tuple[Polygon, ...]] = {}
        self._recogniser = recogniser
        self._tracks = self._make_tracks(recogniser)
        self._next: tuple[Recogniser, dict[str, CameraTrack], Callable[[], None]] | None = None
        self._stopped = False
        self._turned_s = clock()

    def run(self, arrivals: Arrivals) -> Iterator[News]:
        """Yield every decision, change of activity and change of state.

        Ends with the last source, or once stopped; running activities end at the last frame.

        Raises:
            InputError: A source turned out to be unusable; what the others saw is yielded first.
        """
        unusable = None
        while not (self._stopped or arrivals.ended):
            try:
                arrived = arrivals.next_arrivals(WAIT_S)
            except InputError as error:
                unusable = error
                break
            yield from self._change_recogniser()
            yield from self._turn(arrived)
            self._turned_s = self._clock()
        for track in self._tracks.values():
            yield from track.lose()
        if unusable is not None:
            raise unusable

    def _turn(self, arrived: Sequence[Arrival]) -> Iterator[News]:
        # 1. Each camera notes what arrived; only a frame that may show something new goes on.
        moving: list[tuple[str, Frame]] = []
        for name, item, arrived_s in arrived:
            track = self._tracks[name]
            match item:
                case Frame() if track.is_enabled:
                    item = self._ignore_parts(name, item)
                    if self._on_frame is not None:
                        self._on_frame(name, item)
                    yield from track.end_at_jump(item.captured_at)
                    frame = track.add_frame(item, arrived_s)
                    if track.is_resting:
                        yield from track.repeat_decision(frame)
                        continue
                    if rested_on := track.end_rest():
                        self._recogniser.prime(name, rested_on)  # the still image fills the window
                    moving.append((name, frame))
                case CameraStatus():
                    track.set_status(item, arrived_s)
                    yield item
                case EndOfSource():
                    yield from self._decide(self._recogniser.finish(name))
                    yield from track.finish()
        # 2. One step of the recogniser for all cameras together.
        yield from self._decide(self._recogniser.step(moving))
        # 3. What was switched off, or is away for too long, ends; a fall there does not.
        for track in self._tracks.values():
            if track.is_lost:
                self._recogniser.forget(track.camera)
                yield from track.lose()
            yield from track.attend_unseen()

    def _decide(self, decisions: Iterable[Decision]) -> Iterator[News]:
        labels = self._recogniser.bundle.manifest.labels
        for decision in decisions:
            probabilities = dict(zip(labels, decision.told.tolist(), strict=True))
            yield from self._tracks[decision.camera].decide(
                decision.at, probabilities, decision.person
            )

    def _make_tracks(self, recogniser: Recogniser) -> dict[str, CameraTrack]:
        manifest = recogniser.bundle.manifest
        tracks = {}
        for name, camera in self._cameras.items():
            track = tracks[name] = CameraTrack(camera, manifest, clock=self._clock)
            recogniser.set_places(name, track.place_at)
        return tracks

    @property
    def clip(self) -> ClipSpec:
        """What the networks in use take in; who reads frames follows it."""
        return self._recogniser.bundle.manifest.clip

    def _ignore_parts(self, camera: str, frame: Frame) -> Frame:
        ignored = self._ignored.get(camera, ())
        return ignore_parts(frame, ignored, region=self._cameras[camera].region)

    def set_regions(self, camera: str, regions: Regions) -> None:
        """Have other regions of a camera hold from the next frame on; safe from any thread.

        What is to be ignored is blackened here, in addition to what its reader blackens.
        """
        settings = self._cameras[camera].model_copy(update={"regions": regions})
        self._cameras[camera] = settings
        self._ignored[camera] = regions.ignore
        for tracks in (self._tracks, self._next[1] if self._next else {}):
            if camera in tracks:
                tracks[camera].set_regions(regions)

    def change_recogniser(
        self, recogniser: Recogniser, *, when_changed: Callable[[], None]
    ) -> None:
        """Recognise with another bundle from the next turn on; safe from any thread.

        What runs ends where its camera was last seen, and is told; a fall goes on.

        Args:
            recogniser: Of any bundle; whoever reads frames looks up `clip`.
            when_changed: Called by the thread of `run`, after the last news of the one before.

        Raises:
            InputError: A camera calls a label urgent that the bundle does not know.
        """
        self._next = recogniser, self._make_tracks(recogniser), when_changed

    def _change_recogniser(self) -> Iterator[News]:
        if self._next is None:
            return
        (recogniser, tracks, when_changed), self._next = self._next, None
        for name, track in self._tracks.items():
            yield from track.lose()
            tracks[name].take_over(track)
        self._recogniser, self._tracks = recogniser, tracks
        when_changed()

    def enable(self, camera: str, enabled: bool) -> None:
        """Switch one camera's recognition on or off; safe from any thread."""
        self._tracks[camera].enable(enabled)

    def acknowledge_fall(self, camera: str) -> None:
        """Somebody knows of the fall in front of a camera; safe from any thread."""
        self._tracks[camera].acknowledge_fall()

    def resume_fall(
        self, camera: str, since: datetime, *, confidence: float, has_lain_long: bool
    ) -> None:
        """Somebody lay there when this program ended; call before `run`."""
        self._tracks[camera].resume_fall(since, confidence=confidence, has_lain_long=has_lain_long)

    def resume_activity(
        self,
        camera: str,
        activity: str,
        *,
        since: datetime,
        at: datetime,
        probabilities: Mapping[str, float],
    ) -> None:
        """An activity went on until `at`, seen by another process; call before `run`."""
        self._tracks[camera].resume_activity(
            activity, since=since, at=at, probabilities=probabilities
        )

    def stop(self) -> None:
        """Have `run` end soon; safe from any thread and from a signal handler."""
        self._stopped = True

    @property
    def is_alive(self) -> bool:
        """Whether `run` still goes round, with frames or without; from any thread."""
        return self._clock() - self._turned_s < HUNG_S
