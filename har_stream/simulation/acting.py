"""How the resident moves: one function per activity, from seconds to joints and props.

Each draws its habits (posture, pace, variant) from the activity's seed and is then a pure function
of time, so any instant of a day can be drawn without the ones before it.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from har_stream.simulation.figure import INDEX, Body
from har_stream.simulation.flat import Flat, pastel
from har_stream.simulation.paths import lay_walk
from har_stream.simulation.poses import (
    EXERCISES,
    PACE,
    WITH_WEIGHTS,
    Act,
    exercise_angles,
    make_pose,
    seated,
    smooth,
    standing,
    wobble,
)
from har_stream.simulation.routine import PlannedActivity
from har_stream.simulation.view import Array, xyz

Rng = np.random.Generator
SETTLES_S = 1.2
"""Going over from one activity's posture into the next one's."""
_BLANKET = (
    ("pelvis", "knee_far"),
    ("knee_far", "ankle_far"),
    ("pelvis", "ankle_near"),
    ("pelvis", "neck"),
)
"""Joints that a blanket lies between; thrown back it leaves the last one bare."""


def act(planned: PlannedActivity, at_s: Array, flat: Flat, body: Body) -> Act:
    """Let the resident do what is planned for these instants, in seconds as the plan counts them.

    Args:
        planned: Not ``idle``: nobody cannot act.
        at_s: Instants, shape (T,), normally within it.
        flat: Where the places are.
        body: Whose body.
    """
    rng = np.random.Generator(np.random.PCG64([planned.seed, 2]))
    return _ACTS[planned.activity](planned, at_s - planned.start_s, flat, body, rng)


def settle(now: Act, before: Act, since_s: Array) -> None:
    """Let the joints glide from the end of the activity before: sitting down, getting up, a fall.

    Args:
        now: Is changed.
        before: The former activity at its last instant (T = 1).
        since_s: Seconds since the change, shape (T,).
    """
    share = smooth(np.clip(since_s / SETTLES_S, 0.0, 1.0))[:, None, None]
    n_joints = len(INDEX)
    old = before.points[:, :n_joints]
    now.points[:, :n_joints] = old + share * (now.points[:, :n_joints] - old)


def _walk(planned: PlannedActivity, t: Array, flat: Flat, body: Body, rng: Rng) -> Act:
    track = lay_walk(planned, flat, rng)
    went, speed = track.distance_m(t), track.speed_mps
    brisk = min(1.0, speed / 1.1)
    stride = body.height * (0.3 + 0.45 * brisk)
    phase = 2 * math.pi * went / stride
    swing = (0.18 + 0.32 * brisk) * np.stack([np.sin(phase), -np.sin(phase)], axis=1)
    lifted = np.stack([np.cos(phase), -np.cos(phase)], axis=1)
    knees = 0.12 + (0.35 + 0.5 * brisk) * np.clip(lifted, 0, None) ** 2
    pose = standing(
        body,
        track.position(t),
        track.heading(t),
        hips=swing + 0.06,
        knees=knees,
        lean=np.full_like(t, rng.uniform(0.0, 0.12)),
        shoulders=-rng.uniform(0.6, 1.1) * swing,
        elbows=np.full((len(t), 2), rng.uniform(0.15, 0.6)),
    )
    return Act(pose, body, stands=True)


def _cook(planned: PlannedActivity, t: Array, flat: Flat, body: Body, rng: Rng) -> Act:
    place = flat.places[planned.place]
    variant = rng.choice(["stir", "chop", "stir", "reach"])
    pace, steps = rng.uniform(0.7, 1.3), wobble(rng, t, 0.12, 9.0)
    pace = rng.uniform(1.6, 2.2) if variant == "chop" else pace
    beat = 2 * math.pi * pace * t + rng.uniform(0, 6)
    shoulders, elbows = np.full((len(t), 2), 0.55), np.full((len(t), 2), 1.05)
    if variant == "chop":
        shoulders[:, 1] += 0.22 * np.sin(beat)
    else:
        shoulders[:, 1] += 0.16 * np.sin(beat)
        elbows[:, 1] += 0.25 * np.cos(beat)
    if variant == "reach":
        up = smooth(0.5 + 0.5 * np.sin(2 * math.pi * t / rng.uniform(5, 9) + rng.uniform(0, 6)))
        shoulders[:, 0] += 1.5 * up
        elbows[:, 0] -= 0.8 * up
    at = place.spot + steps[:, None] * xyz(0.0, 0.0, 1.0)
    pose = standing(
        body,
        at,
        place.heading + wobble(rng, t, 0.12, 7.0),
        lean=0.1 + wobble(rng, t, 0.05, 5.0),
        nod=np.full_like(t, 0.35),
        shoulders=shoulders,
        elbows=elbows,
    )
    made = Act(pose, body, stands=True)
    pan = place.spot + xyz(0.55, 0.97, rng.uniform(-0.05, 0.05))
    iron = pastel(rng, (50, 50, 60), 25)
    made.add(pan - xyz(0.09, 0, 0), pan + xyz(0.09, 0, 0), 0.06, iron, -0.1)
    hand = made.at("hand_near")
    tool = pastel(rng, (120, 160, 190), 40)
    made.add(hand, hand + xyz(0.13, -0.1, 0.0), 0.015, tool, 0.1)
    if variant != "chop":
        rise = (t * 0.5 + rng.uniform()) % 1.0
        puff = pan + np.stack([0.04 * np.sin(5 * rise), 0.1 + 0.3 * rise, 0 * rise], axis=1)
        made.add(puff, puff + xyz(0.02, 0.05, 0.0), 0.03, (225, 225, 225), -0.2)
    return made


def _eat(planned: PlannedActivity, t: Array, flat: Flat, body: Body, rng: Rng) -> Act:
    place = flat.places[planned.place]
    period = rng.uniform(2.6, 4.5)
    cycle = (t / period + rng.uniform()) % 1.0
    to_mouth = smooth(np.clip(np.minimum(cycle / 0.25, (0.7 - cycle) / 0.25), 0, 1))
    shoulders = np.stack([np.full_like(t, 0.6), 0.55 + 0.35 * to_mouth], axis=1)
    elbows = np.stack([np.full_like(t, 0.95), 1.0 + 1.15 * to_mouth], axis=1)
    lean = 0.18 + 0.1 * to_mouth + wobble(rng, t, 0.03, 8.0)
    nod = 0.15 + 0.1 * to_mouth
    pose = seated(body, place, t, lean=lean, nod=nod, shoulders=shoulders, elbows=elbows)
    made = Act(pose, body)
    plate = place.spot + xyz(0.5, 0.33, rng.uniform(-0.08, 0.02))
    china = pastel(rng, (235, 235, 235), 20)
    made.add(plate - xyz(0.1, 0, 0), plate + xyz(0.1, 0, 0), 0.022, china, 0.0)
    food = pastel(rng, (70, 130, 170), 60)
    made.add(plate - xyz(0.05, -0.03, 0), plate + xyz(0.05, 0.03, 0), 0.03, food, 0.05)
    glass = plate + xyz(0.1, 0.02, rng.uniform(0.15, 0.25))
    made.add(glass, glass + xyz(0.0, 0.1, 0.0), 0.028, pastel(rng, (200, 190, 150), 40), -0.1)
    hand = made.at("hand_near")
    made.add(hand, hand + xyz(0.07, 0.05, 0.0), 0.012, (170, 170, 170), 0.1)
    return made


def _sit(planned: PlannedActivity, t: Array, flat: Flat, body: Body, rng: Rng) -> Act:
    place = flat.places[planned.place]
    variant = rng.choice(["watch", "read", "phone"])
    shoulders, elbows = np.full((len(t), 2), 0.25), np.full((len(t), 2), 0.75)
    nod = 0.05 + wobble(rng, t, 0.08, 11.0)
    if variant == "read":
        shoulders, elbows, nod = shoulders + 0.25, elbows + 0.75, nod + 0.3
    if variant == "phone":
        shoulders[:, 1] += 0.3
        elbows[:, 1] += 1.0
        nod = nod + 0.35
    back = rng.uniform(-0.25, 0.05) if planned.place == "sofa" else rng.uniform(-0.05, 0.12)
    lean = back + wobble(rng, t, 0.04, 14.0)
    shoulders = shoulders + wobble(rng, t, 0.06, 6.0)[:, None]
    pose = seated(body, place, t, lean=lean, nod=nod, shoulders=shoulders, elbows=elbows)
    if rng.random() < 0.3:
        pose = replace(
            pose, hips=pose.hips + np.array([0.25, 0.0]), knees=pose.knees - np.array([0.2, 0.0])
        )
    made = Act(pose, body)
    near = made.at("hand_near")
    if variant == "read":
        cover = pastel(rng, (130, 130, 130), 100)
        made.add(near, made.at("hand_far"), 0.07, cover, 0.1)
    if variant == "phone":
        made.add(near, near + xyz(0.0, 0.1, 0.0), 0.025, (40, 40, 40), 0.1)
    return made


def _sleep(planned: PlannedActivity, t: Array, flat: Flat, body: Body, rng: Rng) -> Act:
    place = flat.places[planned.place]
    postures = rng.choice([0.0, 1.3, -1.3], size=64)
    stays_s = rng.uniform(600, 1800)
    index = np.floor(t / stays_s).astype(int) % 63
    turning = smooth(np.clip((t % stays_s) / 2.5, 0, 1))
    roll = postures[index] + turning * (postures[index + 1] - postures[index])
    curled = np.abs(roll) / 1.3 * rng.uniform(0.4, 0.9)
    breath = 0.008 * np.sin(2 * math.pi * rng.uniform(0.2, 0.3) * t)
    root = np.broadcast_to(place.spot, (len(t), 3)) + xyz(0.0, 0.1, 0.0)
    root = root + breath[:, None] * xyz(0.0, 1.0, 0.0)
    pose = make_pose(
        len(t),
        root=root,
        heading=np.full_like(t, place.heading),
        tilt=np.full_like(t, math.pi / 2),
        roll=roll,
        hips=np.stack([curled, curled], axis=1),
        knees=np.stack([1.5 * curled, 1.4 * curled], axis=1),
        shoulders=np.full((len(t), 2), rng.uniform(-0.1, 0.3)),
        elbows=np.full((len(t), 2), rng.uniform(0.1, 0.8)),
        nod=np.full_like(t, 0.15),
    )
    made = Act(pose, body)
    blanket = pastel(rng, (140, 130, 130), 90)
    if rng.random() < 0.85:
        for start, end in _BLANKET[: 4 if rng.random() < 0.7 else 3]:
            made.cover(start, end, 0.14, blanket)
        made.uncover("head")
    return made


def _fall(planned: PlannedActivity, t: Array, flat: Flat, body: Body, rng: Rng) -> Act:
    place = flat.places[planned.place]
    stirs = rng.choice([0.0, 0.0, 0.25, 0.5])
    lies_on = rng.choice([1.0, -1.0])
    shoulders = rng.uniform(-0.2, 0.5, size=2) + stirs * np.stack(
        [wobble(rng, t, 0.8, 3.0), wobble(rng, t, 0.8, 2.5)], axis=1
    )
    pose = make_pose(
        len(t),
        root=np.broadcast_to(place.spot + xyz(0.0, 0.12, 0.0), (len(t), 3)),
        heading=np.full_like(t, place.heading),
        tilt=np.full_like(t, lies_on * math.pi / 2),
        roll=np.full_like(t, rng.choice([0.0, 0.0, 1.2, -1.2]) + rng.normal(0, 0.15)),
        lean=rng.uniform(-0.1, 0.2) + stirs * np.abs(wobble(rng, t, 0.4, 4.0)),
        hips=np.broadcast_to(rng.uniform(0.0, 0.5, size=2), (len(t), 2)),
        spread=np.broadcast_to(rng.uniform(0.0, 0.35, size=2), (len(t), 2)),
        knees=rng.uniform(0.1, 0.9, size=2) + stirs * wobble(rng, t, 0.4, 3.5)[:, None],
        shoulders=shoulders,
        raised=np.broadcast_to(rng.uniform(0.1, 1.4, size=2), (len(t), 2)),
        elbows=np.broadcast_to(rng.uniform(0.1, 0.8, size=2), (len(t), 2)),
    )
    return Act(pose, body)


def _exercise(planned: PlannedActivity, t: Array, flat: Flat, body: Body, rng: Rng) -> Act:
    place = flat.places[planned.place]
    order, lasts_s = rng.permutation(len(EXERCISES)), rng.uniform(60, 150)
    pace = rng.uniform(0.38, 0.62)
    heading = np.full_like(t, place.heading)
    index = order[np.floor(t / lasts_s).astype(int) % len(EXERCISES)]
    name = EXERCISES[index[0]]  # a burst is short against an exercise
    phase = 2 * math.pi * pace * PACE[name] * t + rng.uniform(0, 6)
    made = Act(
        standing(body, place.spot, heading, **exercise_angles(name, phase)), body, stands=True
    )
    if name in WITH_WEIGHTS:
        bar = xyz(0.09 * math.cos(place.heading), 0.0, 0.09 * math.sin(place.heading))
        for side in ("far", "near"):
            hand = made.at(f"hand_{side}")
            made.add(hand - bar, hand + bar, 0.03, (60, 60, 60), 0.1)
    return made


_ACTS: dict[str, Callable[[PlannedActivity, Array, Flat, Body, Rng], Act]] = {
    "walking": _walk,
    "cooking": _cook,
    "eating": _eat,
    "sitting": _sit,
    "sleeping": _sleep,
    "exercising": _exercise,
    "fallen": _fall,
}
