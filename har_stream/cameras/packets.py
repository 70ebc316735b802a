"""The packets of a video file, and what their times tell: gaps, damage, an end that is cut off."""

from collections.abc import Iterator
from typing import Any

import av
from av import Packet
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

MAX_MISSES = 250
"""Parts in a row that may be unreadable in a corrupt file before it counts as ended."""
GAP_S, GAP_FRAMES = 0.5, 10
"""A step in time longer than both of these is a gap."""


class FileTimes:
    """Turns stated positions into times since the first one, which never go back.

    Attributes:
        interval_s: Time of one frame at the file's rate.
        longest_step_s: A longer step is a gap.
        offset_s: Time of the newest frame.
        gaps_s: Sum of all gaps.
        is_guessed: Whether the newest frame had no timestamp, or one that goes back.
    """

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.longest_step_s = max(GAP_S, GAP_FRAMES * interval_s)
        self.offset_s = self.gaps_s = 0.0
        self.is_guessed = False
        self._first_s: float | None = None

    def advance(self, position_s: float | None) -> None:
        """Go on to the next frame, stated to be here."""
        if self._first_s is None:
            self._first_s = position_s or 0.0
            return
        step_s = 0.0 if position_s is None else position_s - self._first_s - self.offset_s
        self.is_guessed = step_s <= 0
        if self.is_guessed:
            step_s = self.interval_s
        if step_s > self.longest_step_s:
            self.gaps_s += step_s
        self.offset_s += step_s


class FilePackets:
    """Reads packets, and tells a file that is damaged or cut off from one whose picture pauses.

    A gap in a file with an index (MP4, AVI) was meant. In any other, it was meant if the sound goes
    on in it.

    Attributes:
        n_unreadable: Times that the file could not be read on.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, times: FileTimes) -> None:
        self.n_unreadable = 0
        self._container, self._stream = container, stream
        self._times = times
        self._sound: FileTimes | None = None
        self._read_to = 0  # in ticks of the video's clock, which costs less than seconds
        self._heard_to_s = 0.0
        self._has_index = bool(stream.frames)
        if self._has_index:
            for other in container.streams:
                if other is not stream:
                    other.discard = Discard.all

    def read(self) -> Iterator["Packet[VideoStream]"]:
        """Yield the packets of the video; where one cannot be read, those behind it."""
        n_missed_now = 0
        while n_missed_now <= MAX_MISSES:
            try:
                for packet in self._container.demux():
                    n_missed_now = 0
                    if not packet.size:  # it marks the end
                        continue
                    if packet.stream is not self._stream:
                        self._note_sound(packet)
                        continue
                    shown = packet.dts if packet.pts is None else packet.pts
                    if shown is not None:
                        self._read_to = max(self._read_to, shown + (packet.duration or 0))
                    yield packet  # type: ignore[misc] # of the video's stream
                return
            except IndexError:  # the end: PyAV marks that of streams, too, which began later
                return
            except av.FFmpegError:
                n_missed_now += 1
                self.n_unreadable += 1

    def missing_s(self) -> float:
        """Time without any frame that there should have been, once all is read."""
        gaps_s = 0.0 if self._has_index else self._times.gaps_s
        if self._sound is not None:
            gaps_s = min(gaps_s, self._sound.gaps_s)
        read_to_s = max(float(self._read_to * (self._stream.time_base or 0)), self._heard_to_s)
        cut_s = self._stated_end_s() - read_to_s
        return gaps_s + (cut_s if cut_s > self._times.longest_step_s else 0.0)

    def _stated_end_s(self) -> float:
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            ticks = stream.duration
            if self._container.format.name == "avi":
                # One that is cut off has no index: its length is guessed, its frames are stated.
                ticks = max(ticks, stream.frames)
            return float(((stream.start_time or 0) + ticks) * stream.time_base)
        return ((self._container.start_time or 0) + (self._container.duration or 0)) / av.time_base

    def _note_sound(self, packet: "Packet[Any]") -> None:
        if packet.dts is None:
            return
        at_s = float(packet.dts * packet.time_base)
        self._heard_to_s = max(
            self._heard_to_s, at_s + float((packet.duration or 0) * packet.time_base)
        )
        self._sound = self._sound or FileTimes(self._times.interval_s)
        self._sound.advance(at_s)
