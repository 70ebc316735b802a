"""Postures to start from: standing and seated bodies, and what they hold or lie under."""

import math
from dataclasses import replace

import numpy as np

from har_stream.simulation.figure import INDEX, Body, Pose, Stroke, joints, strokes
from har_stream.simulation.flat import Colour, Place
from har_stream.simulation.view import Array, xyz


class Act:
    """A body and its props at T instants.

    Attributes:
        points: Joints, then ends of props, shape (T, n, 3), metres.
        strokes: What is drawn between them.
        stands: Only somebody on their feet throws a shadow on the floor.
    """

    def __init__(self, pose: Pose, body: Body, *, stands: bool = False) -> None:
        self.points = joints(pose, body)
        self.strokes = strokes(body)
        self.stands = stands

    def at(self, joint: str) -> Array:
        """Where a joint is, shape (T, 3)."""
        return self.points[:, INDEX[joint]]

    def cover(self, start: str, end: str, radius: float, colour: Colour) -> None:
        """Lay cloth over a part of the body."""
        self.strokes.append(Stroke(INDEX[start], INDEX[end], radius, colour, 1.0))

    def uncover(self, joint: str) -> None:
        """Let a part of the body look out of what covers it."""
        for index, stroke in enumerate(self.strokes):
            if INDEX[joint] in (stroke.start, stroke.end):
                self.strokes[index] = replace(stroke, nearer=2.0)

    def add(self, start: Array, end: Array, radius: float, colour: Colour, nearer: float) -> None:
        """Add a prop: a stroke between two points of the room, each (T, 3) or (3,)."""
        first, shape = self.points.shape[1], (len(self.points), 3)
        ends = np.stack([np.broadcast_to(start, shape), np.broadcast_to(end, shape)], axis=1)
        self.points = np.concatenate([self.points, ends], axis=1)
        self.strokes.append(Stroke(first, first + 1, radius, colour, nearer))


def standing(body: Body, at: Array, heading: Array, **angles: Array) -> Pose:
    """Stand with the lower foot on the floor; ``at`` is below the pelvis, (3,) or (T, 3)."""
    pose = posed(len(heading), heading=heading, **angles)
    reach = body.thigh * np.cos(pose.hips) + body.shin * np.cos(pose.hips - pose.knees)
    root = np.broadcast_to(at, (len(heading), 3)).copy()
    root[:, 1] += 0.05 * body.height + reach.max(axis=1)
    return replace(pose, root=root)


def seated(body: Body, place: Place, t: Array, **angles: Array) -> Pose:
    """Sit on a place's seat."""
    root = np.broadcast_to(place.spot + xyz(0.0, 0.06 * body.height, 0.0), (len(t), 3))
    legs = np.broadcast_to([1.42, 1.5], (len(t), 2))
    heading = np.full_like(t, place.heading)
    return posed(len(t), root=root, heading=heading, hips=legs, knees=legs - 0.05, **angles)


def posed(n: int, **given: Array) -> Pose:
    """Stand to attention but for what is given."""
    flat = ("heading", "tilt", "roll", "lean", "nod")
    paired = ("hips", "spread", "knees", "shoulders", "raised", "elbows")
    angles = {name: np.zeros(n) for name in flat} | {name: np.zeros((n, 2)) for name in paired}
    angles["raised"] += 0.12
    return Pose(**({"root": np.zeros((n, 3))} | angles | given))


def smooth(share: Array) -> Array:
    """Go from 0 to 1 without a jerk."""
    return share * share * (3 - 2 * share)


def wobble(rng: np.random.Generator, t: Array, amplitude: float, period_s: float) -> Array:
    """Aimless slow movement: three sines about a period."""
    periods, phases = period_s * rng.uniform(0.6, 1.8, 3), rng.uniform(0, 2 * math.pi, 3)
    waves = np.sin(2 * math.pi * t[:, None] / periods + phases)
    return np.asarray(amplitude / 2 * waves.sum(axis=1))
