"""The simulated figure in front of any picture, from any camera; and flats without anybody.

Every joint is known, also under a blanket and behind furniture. Most of the figures lie.
"""

import math

import cv2
import numpy as np

from har_stream.core.frame import Image
from har_stream.simulation.backdrop import Canvas, Light, light_at, paint, to_pixels
from har_stream.simulation.brush import Brush
from har_stream.simulation.figure import INDEX, Body, Pose, draw_body
from har_stream.simulation.flat import furnish, pastel
from har_stream.simulation.poses import EXERCISES, Act, exercise_angles, make_pose
from har_stream.simulation.view import Array, View
from training.data.keypoints.turned_square import Points

LYING_SHARE = 0.6
FLAT_PX = (266, 200)
"""Width and height of a picture of a flat."""
_LIMBS = ("shoulder", "elbow", "hand", "hip", "knee", "ankle")
_LEFT, _RIGHT = "far", "near"
_BLANKET = (
    ("pelvis", "neck"),
    ("hip_far", "hip_near"),
    *((f"hip_{side}", f"knee_{side}") for side in (_LEFT, _RIGHT)),
    *((f"knee_{side}", f"ankle_{side}") for side in (_LEFT, _RIGHT)),
)


def draw_figure(rng: np.random.Generator, background: Image) -> tuple[Image, Points]:
    """Put somebody before a picture.

    Args:
        rng: What is drawn by chance: body, pose, camera, light, cloth.
        background: RGB, without people.

    Returns:
        The picture with the figure, and where its joints are.
    """
    lies = rng.random() < LYING_SHARE
    body = draw_body(rng)
    made = Act(_lying(rng) if lies else _up(rng), body, stands=not lies)
    coco = coco_joints(made, body)
    view = _view(rng, made, background.shape, lies=lies)
    if lies and rng.random() < 0.35:
        _cover(rng, made)
    level = rng.uniform(0.3, 1.1)
    light = Light(tuple(level * rng.uniform(0.9, 1.1, 3)), (0.0, 0.0, 0.0))
    image = background[..., ::-1].copy()
    Brush(made, view, light, image.shape).paint(image, 0)
    _texture(rng, image, background[..., ::-1])
    if rng.random() < 0.3:
        _hide(rng, image, to_pixels(view.project(coco), image.shape) / 16)
    points = np.ones((17, 3), np.float32)
    points[:, :2] = to_pixels(view.project(coco), image.shape) / 16
    return np.ascontiguousarray(image[..., ::-1]), points


def draw_flat(rng: np.random.Generator) -> Image:
    """Furnish a flat and look into it, from where its own camera hangs or from anywhere else.

    Returns:
        RGB, with the grain of cloth and of a camera.
    """
    home = furnish(rng)
    lamp, exposure = bool(rng.random() < 0.5), rng.uniform(0.5, 1.3)
    light = light_at(rng.uniform(0, 24), lamp=lamp, weather=rng.uniform(), exposure=exposure)
    view = _anywhere(rng) if rng.random() < 0.6 else home.view
    image = np.empty((FLAT_PX[1], FLAT_PX[0], 3), np.uint8)
    canvas = Canvas(image, view, light)
    paint(canvas, home, light)
    for box in home.boxes:
        canvas.box(box)
    coarse = rng.normal(1.0, rng.uniform(0.02, 0.15), (40, 40)).astype(np.float32)
    grain = cv2.resize(coarse, FLAT_PX)[..., None]
    grained = np.clip(image * grain, 0, 255).astype(np.uint8)
    dull = cv2.GaussianBlur(grained, (0, 0), rng.uniform(0.3, 1.2))
    return np.ascontiguousarray(dull[..., ::-1], np.uint8)


def _anywhere(rng: np.random.Generator) -> View:
    """Hang a camera in front, from table height to the ceiling."""
    rise, around = rng.uniform(0.1, 1.5), rng.uniform(-2.4, -0.7)
    ahead = -np.array(
        [math.cos(rise) * math.cos(around), math.sin(rise), math.cos(rise) * math.sin(around)]
    )
    target = rng.uniform((-1.5, 0.0, 0.5), (1.5, 1.0, 3.0))
    level = np.cross([0.0, 1.0, 0.02], ahead)
    right = level / np.linalg.norm(level)
    axes = np.stack([right, np.cross(ahead, right), ahead])
    return View(target - rng.uniform(1.5, 4.0) * ahead, axes, rng.uniform(0.6, 1.3), mirrored=False)


def _lying(rng: np.random.Generator) -> Pose:
    """Lie: on the back, face down or on a side, stretched or curled, the limbs anywhere."""
    curled = rng.choice([0.0, rng.uniform(0, 1)])
    hips = curled * 1.8 + rng.uniform(-0.1, 0.6, size=(1, 2))
    return make_pose(
        1,
        root=np.array([[0.0, 0.12, 0.0]]),
        heading=rng.uniform(0, 2 * math.pi, 1),
        tilt=rng.choice([1.0, -1.0]) * math.pi / 2 + rng.normal(0, 0.12, 1),
        roll=rng.choice([0.0, 1.3, -1.3]) + rng.normal(0, 0.25, 1),
        lean=rng.uniform(-0.15, 0.3, 1) + 0.6 * curled,
        nod=rng.uniform(-0.3, 0.5, 1),
        hips=hips,
        spread=rng.uniform(0.0, 0.5, (1, 2)),
        knees=np.maximum(
            0.0, hips * rng.uniform(0.6, 1.4, (1, 2)) + rng.uniform(-0.2, 0.6, (1, 2))
        ),
        shoulders=rng.choice([rng.uniform(-0.4, 0.8, (1, 2)), rng.uniform(-0.5, 3.1, (1, 2))]),
        raised=rng.uniform(0.0, 1.5, (1, 2)),
        elbows=rng.uniform(0.0, 2.0, (1, 2)),
    )


def _up(rng: np.random.Generator) -> Pose:
    """Stand, walk, sit, bend, crouch or exercise."""
    heading, root = rng.uniform(0, 2 * math.pi, 1), np.array([[0.0, 0.9, 0.0]])
    kind = rng.choice(["exercise", "sit", "bend", "stand", "stand"])
    if kind == "exercise":
        angles = exercise_angles(str(rng.choice(EXERCISES)), rng.uniform(0, 2 * math.pi, 1))
        return make_pose(1, **({"root": root, "heading": heading} | angles))
    thighs, lean = {"sit": (1.45, 0.05), "bend": (0.9, 0.9), "stand": (0.0, 0.05)}[kind]
    hips = thighs * rng.uniform(0.5 if kind == "bend" else 0.9, 1.2) + rng.normal(0, 0.25, (1, 2))
    return make_pose(
        1,
        root=root,
        heading=heading,
        tilt=rng.normal(0, 0.12, 1),
        lean=lean + rng.normal(0, 0.2, 1),
        nod=rng.normal(0.1, 0.2, 1),
        hips=hips,
        spread=np.abs(rng.normal(0, 0.2, (1, 2))),
        knees=np.maximum(0.0, hips + rng.normal(0.05, 0.3, (1, 2))),
        shoulders=rng.choice([rng.normal(0.2, 0.4, (1, 2)), rng.uniform(-0.5, 3.1, (1, 2))]),
        raised=np.abs(rng.normal(0.1, 0.3, (1, 2))),
        elbows=rng.uniform(0.0, 2.0, (1, 2)),
    )


def _view(rng: np.random.Generator, made: Act, shape: tuple[int, ...], *, lies: bool) -> View:
    """Hang a camera anywhere from knee height to the ceiling, and aim it near the figure."""
    rise = rng.choice([rng.uniform(0.05, 0.9), rng.uniform(0.3, 1.55)], p=[0.7, 0.3])
    around, distance = rng.uniform(0, 2 * math.pi), rng.uniform(1.8, 5.0)
    ahead = -np.array(
        [math.cos(rise) * math.cos(around), math.sin(rise), math.cos(rise) * math.sin(around)]
    )
    middle = made.points[0].mean(axis=0)
    roll = rng.normal(0.0, 0.08)
    level = np.cross([math.sin(roll), math.cos(roll), 0.02], ahead)
    right = level / np.linalg.norm(level)
    axes = np.stack([right, np.cross(ahead, right), ahead])
    near = View(middle - distance * ahead, axes, 1.0, mirrored=False)
    extent = np.ptp(near.project(made.points[0])[:, :2], axis=0).max()
    focal = float(rng.uniform(0.25, 0.85) / extent)
    aside = rng.uniform(-0.25, 0.25, 2) / focal * distance
    return View(near.position + aside @ axes[:2], axes, focal, mirrored=False)


def coco_joints(made: Act, body: Body) -> Array:
    """Return a figure's joints in COCO's order, shape (17, 3), metres: the face's from the head."""
    place = {name: made.at(name)[0] for name in INDEX}
    up = _unit(place["head"] - place["neck"])
    ahead = _unit(place["head"] - place["crown"] + 0.03 * up)
    left = _unit(place["shoulder_far"] - place["shoulder_near"])
    nose = place["head"] + 0.055 * body.height * ahead
    eyes = [nose + body.height * (0.02 * up - 0.008 * ahead + s * 0.018 * left) for s in (1, -1)]
    ears = [place["head"] + s * 0.055 * body.height * left for s in (1, -1)]
    limbs = [place[f"{part}_{side}"] for part in _LIMBS for side in (_LEFT, _RIGHT)]
    return np.array([nose, *eyes, *ears, *limbs])


def _cover(rng: np.random.Generator, made: Act) -> None:
    """Lay a blanket over the body, or over the legs alone."""
    cloth, thick = pastel(rng, (140, 130, 130), 90), rng.uniform(0.1, 0.18)
    for start, end in _BLANKET[0 if rng.random() < 0.6 else 2 :]:
        made.cover(start, end, thick, cloth)
    made.uncover("head")


def _texture(rng: np.random.Generator, image: Image, background: Image) -> None:
    """Give flat colours the grain of cloth, and dull the picture's edges."""
    height, width = image.shape[:2]
    cells = int(rng.integers(6, 40))
    coarse = rng.normal(1.0, rng.uniform(0.02, 0.2), (cells, cells, 1)).astype(np.float32)
    grain = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    figure = (image != background).any(axis=2)
    image[figure] = np.clip(image[figure] * grain[figure, None], 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        image[:] = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3))


def _hide(rng: np.random.Generator, image: Image, points: Array) -> None:
    """Put a piece of furniture before a part of the figure."""
    x, y = points[rng.integers(len(points))]
    across, high = rng.uniform(0.05, 0.3, 2) * image.shape[0]
    colour = pastel(rng, (110, 120, 140), 80)
    first = (int(x - across), int(y - high / 4))
    cv2.rectangle(image, first, (int(x + across), int(y + high)), colour, -1)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))
