"""The resident's body: joints from angles, and the strokes that draw it.

A figure is a list of strokes (thick round-ended lines between two joints), painted from far to
near. Everything is computed for all T instants of a burst at once.
"""

from dataclasses import dataclass, replace

import numpy as np

from har_stream.simulation.flat import Colour, pastel
from har_stream.simulation.view import Array

JOINTS = (
    "pelvis",
    "neck",
    "head",
    "crown",
    *(f"{part}_{side}" for side in ("far", "near") for part in ("shoulder", "elbow", "hand")),
    *(f"{part}_{side}" for side in ("far", "near") for part in ("hip", "knee", "ankle", "toe")),
)
INDEX = {name: index for index, name in enumerate(JOINTS)}
SIDES = (("far", 1.0), ("near", -1.0))


@dataclass(frozen=True, slots=True)
class Body:
    """Somebody's proportions (metres) and colours."""

    height: float
    girth: float
    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    long_sleeves: bool
    long_hair: bool

    @property
    def thigh(self) -> float:
        """Hip to knee."""
        return 0.25 * self.height

    @property
    def shin(self) -> float:
        """Knee to ankle."""
        return 0.23 * self.height

    @property
    def torso(self) -> float:
        """Pelvis to neck."""
        return 0.30 * self.height


@dataclass(frozen=True, slots=True)
class Pose:
    """A body at T instants; angles in radians, shape (T,), pairs (T, 2) are (far, near) side.

    Attributes:
        root: Pelvis, shape (T, 3), metres.
        heading: Direction faced, from +x towards +z.
        tilt: 0 upright, pi/2 on the back, -pi/2 face down.
        roll: Turn about the body's own long axis.
        lean: Torso forward.
        nod: Head forward of the torso.
        hips: Thigh forward.
        spread: Thigh outward.
        knees: Shin backward of the thigh.
        shoulders: Upper arm forward.
        raised: Upper arm outward.
        elbows: Forearm forward of the upper arm.
    """

    root: Array
    heading: Array
    tilt: Array
    roll: Array
    lean: Array
    nod: Array
    hips: Array
    spread: Array
    knees: Array
    shoulders: Array
    raised: Array
    elbows: Array


@dataclass(frozen=True, slots=True)
class Stroke:
    """A thick line from one joint to another.

    Attributes:
        start: Index of a joint.
        end: Index of a joint; the same one makes a disc.
        radius: Half its thickness, metres.
        colour: Blue, green, red.
        nearer: Metres by which it counts as nearer than it is, to settle what covers what.
    """

    start: int
    end: int
    radius: float
    colour: Colour
    nearer: float = 0.0


def draw_body(rng: np.random.Generator) -> Body:
    """Draw a person: from child-like to tall, slim to stout, any skin, hair and clothes."""
    tone = rng.uniform(0.0, 1.0)
    skin = tuple(np.array([150, 185, 235]) * (1 - 0.62 * tone) + rng.uniform(-8, 8, 3))
    hairs = ((25, 30, 35), (35, 60, 95), (90, 160, 200), (190, 195, 195), (30, 50, 130))
    return Body(
        height=rng.uniform(1.5, 1.9),
        girth=rng.uniform(0.85, 1.3),
        skin=(float(skin[0]), float(skin[1]), float(skin[2])),
        hair=pastel(rng, hairs[rng.integers(len(hairs))], 12),
        shirt=_cloth(rng),
        trousers=_cloth(rng),
        shoes=pastel(rng, (60, 60, 70), 45),
        long_sleeves=bool(rng.random() < 0.6),
        long_hair=bool(rng.random() < 0.4),
    )


def dress(body: Body, rng: np.random.Generator) -> Body:
    """Put on other clothes."""
    sleeves = bool(rng.random() < 0.6)
    return replace(body, shirt=_cloth(rng), trousers=_cloth(rng), long_sleeves=sleeves)


def joints(pose: Pose, body: Body) -> Array:
    """Place the joints.

    Returns:
        Shape (T, len(JOINTS), 3), metres in the room.
    """
    forward, up, side = _frame(pose)
    points = np.empty((len(pose.root), len(JOINTS), 3))

    def put(name: str, point: Array) -> Array:
        points[:, INDEX[name]] = point
        return point

    pelvis = put("pelvis", pose.root)
    chest_up, chest_forward = _turned(up, forward, pose.lean)
    neck = put("neck", pelvis + body.torso * chest_up)
    face_up, face_forward = _turned(chest_up, chest_forward, pose.nod)
    head = put("head", neck + 0.085 * body.height * face_up + 0.01 * face_forward)
    put("crown", head + 0.03 * face_up - 0.028 * face_forward)
    for index, (name, sign) in enumerate(SIDES):
        outside = sign * 0.105 * _wide(body, side)
        shoulder = put(f"shoulder_{name}", neck - 0.04 * chest_up + outside)
        reach, lift = pose.shoulders[:, index], sign * np.sin(pose.raised[:, index])
        upper = _limb(chest_up, chest_forward, side, reach, lift)
        elbow = put(f"elbow_{name}", shoulder + 0.165 * body.height * upper)
        lower = _limb(chest_up, chest_forward, side, reach + pose.elbows[:, index], 0.8 * lift)
        put(f"hand_{name}", elbow + 0.165 * body.height * lower)
        hip = put(f"hip_{name}", pelvis + sign * 0.055 * _wide(body, side))
        swing, out = pose.hips[:, index], sign * np.sin(pose.spread[:, index])
        knee = put(f"knee_{name}", hip + body.thigh * _limb(up, forward, side, swing, out))
        below = swing - pose.knees[:, index]
        ankle = put(f"ankle_{name}", knee + body.shin * _limb(up, forward, side, below, 0.6 * out))
        put(f"toe_{name}", ankle + 0.1 * body.height * _limb(up, forward, side, below + 1.45, out))
    return points


def strokes(body: Body) -> list[Stroke]:
    """Return what draws the body itself."""
    sleeve = body.shirt if body.long_sleeves else body.skin
    dark = tuple(0.85 * part for part in body.trousers)
    belly = 0.082 * body.girth * body.height
    drawn = [
        _stroke("pelvis", "neck", belly, body.shirt),
        _stroke("shoulder_far", "shoulder_near", 0.04 * body.height, body.shirt),
        _stroke("hip_far", "hip_near", 0.058 * body.girth * body.height, body.trousers),
        _stroke("neck", "head", 0.028 * body.height, body.skin),
        _stroke("head", "head", 0.062 * body.height, body.skin, 0.02),
        _stroke("crown", "crown", 0.062 * body.height, body.hair),
    ]
    if body.long_hair:
        drawn.append(_stroke("crown", "neck", 0.05 * body.height, body.hair, -0.03))
    for side, trousers in (("far", (dark[0], dark[1], dark[2])), ("near", body.trousers)):
        limb, leg = 0.027 * body.height, 0.04 * body.girth * body.height
        drawn += [
            _stroke(f"shoulder_{side}", f"elbow_{side}", 1.1 * limb, body.shirt),
            _stroke(f"elbow_{side}", f"hand_{side}", 0.9 * limb, sleeve, 0.03),
            _stroke(f"hand_{side}", f"hand_{side}", 1.15 * limb, body.skin, 0.05),
            _stroke(f"hip_{side}", f"knee_{side}", 1.1 * leg, trousers),
            _stroke(f"knee_{side}", f"ankle_{side}", 0.8 * leg, trousers),
            _stroke(f"ankle_{side}", f"toe_{side}", 0.7 * leg, body.shoes),
        ]
    return drawn


def _stroke(start: str, end: str, radius: float, colour: Colour, nearer: float = 0.0) -> Stroke:
    return Stroke(INDEX[start], INDEX[end], radius, colour, nearer)


def _cloth(rng: np.random.Generator) -> Colour:
    return pastel(rng, (120, 120, 120), 105)


def _wide(body: Body, side: Array) -> Array:
    return body.height * (0.6 + 0.4 * body.girth) * side


def _frame(pose: Pose) -> tuple[Array, Array, Array]:
    """Forward, up and far side of the body, each (T, 3), after heading, tilt and roll."""
    zero = np.zeros_like(pose.heading)
    ahead = np.stack([np.cos(pose.heading), zero, np.sin(pose.heading)], axis=-1)
    side = np.stack([-np.sin(pose.heading), zero, np.cos(pose.heading)], axis=-1)
    upright = np.broadcast_to(np.array([0.0, 1.0, 0.0]), ahead.shape)
    up, forward = _turned(upright, ahead, -pose.tilt)
    cosine, sine = np.cos(pose.roll)[:, None], np.sin(pose.roll)[:, None]
    return cosine * forward + sine * side, up, cosine * side - sine * forward


def _turned(up: Array, forward: Array, angle: Array) -> tuple[Array, Array]:
    """Turn up towards forward."""
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return cosine * up + sine * forward, cosine * forward - sine * up


def _limb(up: Array, forward: Array, side: Array, swing: Array, outward: Array) -> Array:
    """Direction of a limb that hangs down, swung forward (rad) and outward (sine), unit length."""
    inward = np.sqrt(np.maximum(0.0, 1 - outward**2))[:, None]
    hanging = -np.cos(swing)[:, None] * up + np.sin(swing)[:, None] * forward
    return inward * hanging + outward[:, None] * side
