"""The person stage: between a camera's frames and a bundle's networks.

It sees every frame before the head does, and hears what the head says of it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from har_stream.config.regions import Place
from har_stream.core.frame import Image
from har_stream.recognition.engines.tflite_file import Network
from har_stream.recognition.person import postures
from har_stream.recognition.person.crops import whole
from har_stream.recognition.person.geometry import Geometry
from har_stream.recognition.person.key_points import Box, KeyPoints
from har_stream.recognition.person.movement import Movement
from har_stream.recognition.person.network import PoseFinder
from har_stream.recognition.person.presence import Presence
from har_stream.recognition.person.room import Room
from har_stream.recognition.person.taught import SceneWatch
from har_stream.recognition.person.tracker import KEPT, PersonTracker

WALKING_S = 0.35
"""Hips that move so far in a second walk, in units of the person's size ..."""
STANDING_S = 0.15
"""... and stand still again below this."""
LYING = frozenset({postures.ON_BED, postures.ON_FLOOR})

PlaceAt = Callable[[float, float], Place | None]
"""Says in which region a point lies; x and y as shares of the image."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a camera sees, at one decision.

    Attributes:
        key_points: In the newest frame; their score says how sure they are.
        outputs: Calibrated probability of every output of the head, of which `lying_floor` is that
            of lying on the floor; by the newest frames alone.
        is_there: Somebody is in front of the camera, seen now or not seen going; or it is dark, and
            may have been all the time.
    """

    key_points: KeyPoints
    outputs: Mapping[str, float]
    is_there: bool


class PersonStage:
    """What is kept of one camera's person.

    Args:
        network: Finds key points; it may serve many cameras.
        sample_hz: Frames a second.
        scene: Sees the whole image, where a household has taught activities.
        place_at: Where doors are; none: nothing is drawn.
    """

    def __init__(
        self,
        network: PoseFinder,
        *,
        sample_hz: float,
        scene: Network | None = None,
        place_at: PlaceAt | None = None,
    ) -> None:
        self.tracker = PersonTracker(network)
        self._room = Room()
        self._movement = Movement(self._room, sample_hz=sample_hz)
        self._needs_movement = network.needs_movement
        self._geometry = Geometry()
        self._presence = Presence()
        self._scene = SceneWatch(scene) if scene is not None else None
        self._place_at = place_at
        self.found: KeyPoints | None = None
        self._hips: deque[NDArray[np.float32]] = deque(maxlen=round(sample_hz) + 1)
        self._walks = False
        self._is_dark = False
        self._lay = 0.0

    def see(self, image: Image, *, begins: bool = False) -> NDArray[np.float32]:
        """Follow the person into the next frame.

        Args:
            image: BGR, shape (height, width, 3), uint8.
            begins: It follows a gap or a cut.

        Returns:
            The frame's features, shape (`geometry.N_FEATURES`,); where activities were taught, of
            the whole image, too, shape (N_FEATURES + `taught.N_SCENE`,).
        """
        differing, self._is_dark = self._room.see(image)
        self._movement.see()
        found = self.tracker.follow(
            image,
            moving=differing,
            is_dark=self._is_dark,
            counts=self._movement.vouches_for if self._needs_movement else None,
        )
        if found.score >= KEPT:
            self._movement.follow(found.box)
        features = self._geometry.features(found, self._room.learn(self._covered_by(found)))
        self.found = found
        self._hips.append(features[:2])
        if self._scene is None:
            return features
        return np.concatenate([features, self._scene.see(image, begins=begins)])

    def _covered_by(self, found: KeyPoints) -> Box | None:
        """Where the room is not learned: whoever is there but not found now is no part of it."""
        surest = found if self._movement.has_begun else self.tracker.surest
        if surest is not None and surest.score >= KEPT:
            return surest.box
        return self._presence.box

    def crop(self, image: Image) -> Image:
        """Cut the square around the person out of the image that was just seen; else all of it.

        Returns:
            BGR, shape (side, side, 3), uint8.
        """
        square = replace(self.tracker.last or whole(image), turns=0, brightened=False)
        return square.cut(image, max(1, round(square.side_px)))[..., ::-1]

    def judge(self, outputs: Mapping[str, float]) -> tuple[Person, dict[str, float]]:
        """Take in what the head says of the newest window.

        Returns:
            The person, and the probability of every activity: nobody is idle only where nobody is
            there; whoever lay still lies, whoever else is not seen now does something unknown; who
            seems to sit in the dark may lie.
        """
        assert self.found is not None  # noqa: S101 - a frame was seen first
        found, presence = self.found, self._presence
        somebody = 1.0 - outputs.get(postures.NOBODY, 0.0)
        lying = sum(outputs.get(name, 0.0) for name in LYING)
        presence.observe(
            somebody,
            box=found.box if found.score >= KEPT else None,
            lies=lying > somebody / 2,
            stands=outputs.get(postures.UPRIGHT, 0.0) > somebody / 2,
            in_door=self._place_at is not None and self._place_at(*found.hips) == "door",
        )
        is_empty = presence.box is not None and self._room.is_empty(presence.box)
        presence.leave(is_empty=is_empty, is_dark=self._is_dark)
        may_be_there = presence.may_be_there(is_dark=self._is_dark)
        is_unseen = presence.n_missed > 0 and may_be_there
        if not is_unseen:
            self._lay = lying if presence.is_there else 0.0
        said = postures.share_out_nobody(outputs, self._lay) if is_unseen else dict(outputs)
        if self._is_dark:
            said = postures.doubt_sitting(said)
        person = Person(found, outputs, may_be_there)
        return person, postures.activities_of(said, walks=self._decide_walk())

    def _decide_walk(self) -> bool:
        moved = float(np.linalg.norm(np.ptp(np.stack(self._hips), axis=0)))
        self._walks = moved > (STANDING_S if self._walks else WALKING_S)
        return self._walks
