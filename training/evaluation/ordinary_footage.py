"""What a bundle reports of footage in which nothing of its labels happens (Garwood 1936)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.progress import track
from scipy.stats import chi2

from har_stream.cameras.converter import ImageOptions
from har_stream.cameras.video_file import read_file
from har_stream.recognition.recogniser import Recogniser
from training.data.clip import EPOCH, Clip
from training.evaluation.stream_scenes import watch
from training.evaluation.stream_score import reported_activities


@dataclass(frozen=True, slots=True)
class FalseReports:
    """Activities reported of footage that shows none.

    Attributes:
        by_label: How many of each.
        n_clips: Recordings that were watched, each from its start to its end.
        hours: Their length.
    """

    by_label: dict[str, int]
    n_clips: int
    hours: float

    @property
    def n(self) -> int:
        """How many in all."""
        return sum(self.by_label.values())

    def per_hour(self) -> tuple[float, float, float]:
        """Reports an hour, and the ends of their 95 % interval (Garwood 1936, exact Poisson)."""
        low = float(chi2.ppf(0.025, 2 * self.n)) / 2 if self.n else 0.0
        high = float(chi2.ppf(0.975, 2 * self.n + 2)) / 2
        return self.n / self.hours, low / self.hours, high / self.hours


def count_false_reports(recogniser: Recogniser, clips: Sequence[Clip]) -> FalseReports:
    """Watch recordings one by one, as `har-stream --camera FILE` does, and count what is reported.

    Raises:
        InputError: One cannot be read.
    """
    spec = recogniser.bundle.manifest.clip
    images = ImageOptions(spec.picture)
    found: Counter[str] = Counter()
    length = timedelta()
    for clip in track(clips, "ordinary footage"):
        frames = list(read_file(clip.path, sample_hz=spec.sample_hz, start_at=EPOCH, images=images))
        found.update(report.label for report in reported_activities(watch(recogniser, frames)))
        length += frames[-1].captured_at - EPOCH + timedelta(seconds=1 / spec.sample_hz)
    return FalseReports(dict(found.most_common()), len(clips), length / timedelta(hours=1))
