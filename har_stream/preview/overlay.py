"""Draws what is known about a camera onto its frame: for the preview and for recorded clips."""

from dataclasses import dataclass, field
from datetime import datetime

import cv2
import numpy as np

from har_stream.core.activity import CameraState, CameraStatus, Change, News, Recognition
from har_stream.core.frame import Image

WIDTH_PX = 640
"""Frames are shown and recorded at this width: text stays legible, clips stay small."""
MAX_HEIGHT_PX = 1280
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LINE_PX = 22
_BONES = (
    *((5, 7), (7, 9), (6, 8), (8, 10), (5, 6)),  # arms and shoulders
    *((11, 13), (13, 15), (12, 14), (14, 16), (11, 12)),  # legs and hips
    *((5, 11), (6, 12), (0, 5), (0, 6)),  # trunk and head
)
"""Joints that are joined, as COCO numbers them (Lin et al. 2014)."""
_SURE = 0.2
"""Score from which a joint is drawn."""
_COLOURS = {
    CameraState.ONLINE: (80, 220, 80),
    CameraState.SLOW: (0, 200, 255),
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
            likeliest = max(seen.probabilities, key=seen.probabilities.__getitem__)
            named = likeliest if seen.label == likeliest else f"{seen.label}, likeliest {likeliest}"
            lines.insert(0, f"{named} {seen.confidence:.0%}")
        if self.activity is not None:
            activity, started_at = self.activity
            lines.append(f"{activity} since {started_at:%H:%M:%S}")
        return lines

    def draw(self, image: Image) -> Image:
        """Return a copy of the frame, `WIDTH_PX` wide, with the text on it."""
        height_px = max(2, round(image.shape[0] * WIDTH_PX / image.shape[1] / 2) * 2)
        height_px = min(height_px, MAX_HEIGHT_PX)
        return self._write(cv2.resize(image, (WIDTH_PX, height_px)))  # type: ignore[arg-type]

    def draw_skeleton(self, image: Image) -> Image:
        """Return black of the frame's shape, with joints, bones and the text on it, no picture."""
        drawn = np.zeros_like(self.draw(image))
        height_px, width_px = drawn.shape[:2]
        joints = self.recognition.key_points if self.recognition is not None else ()
        places = {
            number: (round(x * width_px), round(y * height_px))
            for number, (x, y, score) in enumerate(joints)
            if score >= _SURE
        }
        for begins, ends in _BONES:
            if begins in places and ends in places:
                cv2.line(drawn, places[begins], places[ends], (200, 200, 200), 2, cv2.LINE_AA)
        for place in places.values():
            cv2.circle(drawn, place, 4, _COLOURS[self.state], cv2.FILLED, cv2.LINE_AA)
        return self._write(drawn)

    def _write(self, drawn: Image) -> Image:
        for number, line in enumerate(self.lines(), start=1):
            place = (8, number * _LINE_PX)
            for colour, thickness in (((0, 0, 0), 3), (_COLOURS[self.state], 1)):
                cv2.putText(drawn, line, place, _FONT, 0.6, colour, thickness, cv2.LINE_AA)
        return drawn
