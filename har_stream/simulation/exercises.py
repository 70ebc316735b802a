"""The exercises: jumping jacks, squats, curls, presses, marching and toe touches."""

import math

import numpy as np

from har_stream.simulation.view import Array

EXERCISES = ("jacks", "squats", "curls", "press", "march", "toes")
WITH_WEIGHTS = ("curls", "press")
PACE = {"jacks": 1.6, "squats": 0.8, "curls": 0.9, "press": 1.0, "march": 1.5, "toes": 0.6}
"""Repetitions against those of a person's own pace."""


def angles(name: str, phase: Array) -> dict[str, Array]:
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


def _both(angle: Array) -> Array:
    return np.stack([angle, angle], axis=1)
