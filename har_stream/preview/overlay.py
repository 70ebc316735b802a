"""Draws what is known about a camera onto its frame: for the preview and for recorded clips."""

from dataclasses import dataclass, field
from datetime import datetime

import cv2

from har_stream.core.activity import CameraState, CameraStatus, Change, News, Recognition
from har_stream.core.frame import Image

WIDTH_PX = 640
"""Frames are shown and recorded at this width: text stays legible, clips stay small."""
MAX_HEIGHT_PX = 1280
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LINE_PX = 22
_COLOURS = {
    CameraState.ONLINE: (80, 220, 80),
    CameraState.STALLED: (0, 200, 255),
    CameraState.OFFLINE: (80, 80, 255),
}


@dataclass(slots=True)
class Overlay:
    """What stands on the frames of one camera; `update` changes it, `draw` draws it.

    Attributes:
        camera: Its name.
        fps: Frames shown a second.
        state: Whether it delivers.
        recognition: The newest decision.
        activity: The running activity and its start.
    """

    camera: str
    fps: float = 0.0
    state: CameraState = CameraState.OFFLINE
    recognition: Recognition | None = None
    activity: tuple[str, datetime] | None = field(default=None)

    def update(self, news: News) -> None:
        """Note what the pipeline says about this camera."""
        match news:
            case Recognition():
                self.recognition = news
            case CameraStatus():
                self.state = news.state
            case Change(event_type="activity_ended"):
                self.activity = None
            case Change():
                self.activity = (news.activity, news.started_at)

    def lines(self) -> list[str]:
        """The text, from top to bottom."""
        lines = [f"{self.camera}  {self.state}  {self.fps:.1f} fps"]
        if self.recognition is not None:
            seen = self.recognition
            lines[0] += f"  {seen.latency_ms:.0f} ms"
            lines.insert(0, f"{seen.label} {seen.confidence:.0%}")
        if self.activity is not None:
            activity, started_at = self.activity
            lines.append(f"{activity} since {started_at:%H:%M:%S}")
        return lines

    def draw(self, image: Image) -> Image:
        """Return a copy of the frame, `WIDTH_PX` wide, with the text on it."""
        height_px = max(2, round(image.shape[0] * WIDTH_PX / image.shape[1] / 2) * 2)
        height_px = min(height_px, MAX_HEIGHT_PX)
        drawn = cv2.resize(image, (WIDTH_PX, height_px))
        for number, line in enumerate(self.lines(), start=1):
            place = (8, number * _LINE_PX)
            for colour, thickness in (((0, 0, 0), 3), (_COLOURS[self.state], 1)):
                cv2.putText(drawn, line, place, _FONT, 0.6, colour, thickness, cv2.LINE_AA)
        return drawn  # type: ignore[return-value]
