"""Where data sets come from: the addresses of those who publish them."""

from dataclasses import dataclass

from har_stream.bundles.published_weights import Remote
from har_stream.core.errors import InputError

_CRCV = "https://www.crcv.ucf.edu/data"
_SERRE = "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main"


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A data set that its makers offer as archives.

    Attributes:
        archives: Clips and, where there are any, official lists.
        n_classes: Class folders that must come out of them.
        n_clips: Fewest and most clips that must.
        cite: Whose it is, and what may be done with it.
    """

    archives: tuple[Remote, ...]
    n_classes: int
    n_clips: tuple[int, int]
    cite: str


DATASETS = {
    "ucf50": DatasetSource(
        archives=(Remote(f"{_CRCV}/UCF50.rar", "UCF50.rar", 3_233_554_570),),
        n_classes=50,
        n_clips=(50 * 25 * 4, 50 * 25 * 8),  # its page: 25 groups a class, over 4 clips a group
        cite="Reddy and Shah 2012, CRCV; for research",
    ),
    "ucf101": DatasetSource(
        archives=(
            Remote(f"{_CRCV}/UCF101/UCF101.rar", "UCF101.rar", 6_932_971_618),
            Remote(
                f"{_CRCV}/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
                "UCF101TrainTestSplits-RecognitionTask.zip",
                113_943,
                "5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
            ),
        ),
        n_classes=101,
        n_clips=(13_320, 13_320),
        cite="Soomro et al. 2012, CRCV; for research",
    ),
    "hmdb51": DatasetSource(
        archives=(
            Remote(f"{_SERRE}/hmdb51_org.rar", "hmdb51_org.rar"),
            Remote(f"{_SERRE}/test_train_splits.rar", "test_train_splits.rar"),
        ),
        n_classes=51,
        n_clips=(6_766, 6_766),
        cite="Kuehne et al. 2011, Serre lab; CC BY 4.0",
    ),
}


def dataset(name: str) -> DatasetSource:
    """Return where a data set comes from.

    Raises:
        InputError: There is none of this name; the message lists those that exist.
    """
    if name not in DATASETS:
        raise InputError(f"no data set {name!r}: {', '.join(DATASETS)}, or weights NAME")
    return DATASETS[name]
