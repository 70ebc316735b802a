"""Simulated training clips: the same per number, of homes that no camera shows, labelled truly."""

from collections import Counter

import numpy as np

from har_stream.core.frame import ClipSpec
from har_stream.simulation.routine import ACTIVITIES
from har_stream.simulation.simulated_camera import N_SEEDS
from training.config import DataConfig, SplitConfig
from training.data import simulated, splits
from training.data.clip import Sampling
from training.data.dataset import read_dataset

SPEC = ClipSpec(n_frames=20, height_px=64, width_px=64, sample_hz=5.0)


def test_every_activity_has_its_share_and_every_clip_a_home_of_its_own() -> None:
    dataset = read_dataset(DataConfig(kind="simulated", n_clips=160))
    assert dataset.labels == ACTIVITIES
    assert set(Counter(clip.label for clip in dataset.clips).values()) == {20}
    homes = {clip.home for clip in dataset.clips if isinstance(clip, simulated.SimulatedClip)}
    assert len(homes) == 160
    assert min(homes) >= N_SEEDS, "a camera could show this home"


def test_a_clip_is_rendered_the_same_whenever_it_is_asked_for() -> None:
    first, again = (simulated.draw_clip(3).frames(Sampling(SPEC)) for _ in range(2))
    assert first.shape == (20, 64, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, simulated.draw_clip(11).frames(Sampling(SPEC)))


def test_the_last_frame_shows_what_the_label_says() -> None:
    for number in range(400):
        clip = simulated.draw_clip(number)
        assert clip.now.start_s <= clip.ends_s < clip.now.end_s
        assert clip.before.start_s <= clip.ends_s - SPEC.span_s
        assert clip.before.end_s == clip.now.start_s
        assert clip.label == clip.now.activity


def test_homes_are_split_by_group() -> None:
    config = DataConfig(kind="simulated", n_clips=800)
    split = SplitConfig(by="group", held_out=("0",), validation=0.06)
    (made,) = splits.make_splits(read_dataset(config), split=split, data=config, seed=27)
    assert not made.leaks
    assert len(made.test) == 40
    assert 30 <= len(made.validation) <= 60
    assert len(made.train) + len(made.validation) + len(made.test) == 800
