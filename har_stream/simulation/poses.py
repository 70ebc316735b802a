"""Postures and exercises: standing and seated bodies, and what they hold or lie under."""

import math
from dataclasses import replace

import numpy as np

from har_stream.simulation.figure import INDEX, Body, Pose, Stroke, joints, strokes
from har_stream.simulation.flat import Colour, Place
from har_stream.simulation.view import Array, xyz

EXERCISES = ("jacks", "squats", "curls", "press", "march", "toes")
WITH_WEIGHTS = ("curls", "press")
PACE = {"jacks": 1.6, "squats": 0.8, "curls": 0.9, "press": 1.0, "march": 1.5, "toes": 0.6}
"""Repetitions against those of a person's own pace."""


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
    pose = make_pose(len(heading), heading=heading, **angles)
    reach = body.thigh * np.cos(pose.hips) + body.shin * np.cos(pose.hips - pose.knees)
    root = np.broadcast_to(at, (len(heading), 3)).copy()
    root[:, 1] += 0.05 * body.height + reach.max(axis=1)
    return replace(pose, root=root)


def seated(body: Body, place: Place, t: Array, **angles: Array) -> Pose:
    """Sit on a place's seat."""
    root = np.broadcast_to(place.spot + xyz(0.0, 0.06 * body.height, 0.0), (len(t), 3))
    legs = np.broadcast_to([1.42, 1.5], (len(t), 2))
    heading = np.full_like(t, place.heading)
    return make_pose(len(t), root=root, heading=heading, hips=legs, knees=legs - 0.05, **angles)


def make_pose(n: int, **given: Array) -> Pose:
    """Stand to attention but for what is given."""
    flat = ("heading", "tilt", "roll", "lean", "nod")
    paired = ("hips", "spread", "knees", "shoulders", "raised", "elbows")
    angles = {name: np.zeros(n) for name in flat} | {name: np.zeros((n, 2)) for name in paired}
    angles["raised"] += 0.12
    return Pose(**({"root": np.zeros((n, 3))} | angles | given))


def exercise_angles(name: str, phase: Array) -> dict[str, Array]:
    """Angles of an exercise (see `Pose`) at a phase in radians, 2 pi a repetition."""
    wave = 0.5 - 0.5 * np.cos(phase)
    other = 0.5 + 0.5 * np.cos(phase)
    still = np.zeros_like(phase)
    if name == "jacks":
        raised = 0.1 + 2.7 * wave  # sideways, so above the shoulder the arm has swung half round
        return {
            "spread": _both(0.05 + 0.4 * wave),
            "shoulders": _both(np.where(raised > math.pi / 2, math.pi, 0.0)),
            "raised": _both(raised),
        }
    if name == "squats":
        return {
            "hips": _both(1.45 * wave),
            "knees": _both(1.9 * wave),
            "lean": 0.55 * wave,
            "shoulders": _both(0.2 + 1.2 * wave),
        }
    if name == "curls":
        return {
            "elbows": np.stack([0.2 + 2.1 * wave, 0.2 + 2.1 * other], axis=1),
            "shoulders": _both(0.1 + still),
        }
    if name == "press":
        return {"shoulders": _both(1.2 + 1.8 * wave), "elbows": _both(1.9 * (1 - wave))}
    if name == "march":
        lift = np.stack([np.clip(np.sin(phase), 0, 1), np.clip(-np.sin(phase), 0, 1)], axis=1)
        return {
            "hips": 1.3 * lift,
            "knees": 1.5 * lift,
            "shoulders": 0.8 * lift[:, ::-1],
            "elbows": 0.9 + 0.4 * lift[:, ::-1],
        }
    return {  # toes: bend down to them and reach up
        "lean": 1.9 * wave - 0.1,
        "hips": _both(0.05 + still),
        "shoulders": _both(3.0 - 1.4 * wave),
    }


def smooth(share: Array) -> Array:
    """Go from 0 to 1 without a jerk."""
    return share * share * (3 - 2 * share)


def wobble(rng: np.random.Generator, t: Array, amplitude: float, period_s: float) -> Array:
    """Aimless slow movement: three sines about a period."""
    periods, phases = period_s * rng.uniform(0.6, 1.8, 3), rng.uniform(0, 2 * math.pi, 3)
    waves = np.sin(2 * math.pi * t[:, None] / periods + phases)
    return np.asarray(amplitude / 2 * waves.sum(axis=1))


def _both(angle: Array) -> Array:
    return np.stack([angle, angle], axis=1)
