"""Where data sets and pretrained weights come from: the addresses of those who publish them."""

from dataclasses import dataclass

from har_stream.core.errors import InputError

_CRCV = "https://www.crcv.ucf.edu/data"
_SERRE = "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main"
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_MOVENET = "https://tfhub.dev/google/lite-model/movenet"
_MOVINET = "https://tfhub.dev/tensorflow/lite-model/movinet"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to fetch.

    Attributes:
        url: Its official address.
        name: What it is called here.
        n_bytes: Its size where it is known beforehand; otherwise the server's word is taken.
        sha256: Its published hash. Where none is published, the hash of the first download is
            written down beside it.
    """

    url: str
    name: str
    n_bytes: int | None = None
    sha256: str | None = None


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
WEIGHTS = {
    "movenet_lightning": Remote(
        f"{_MOVENET}/singlepose/lightning/tflite/int8/4?lite-format=tflite",
        "movenet_lightning_int8.tflite",
        2_894_840,
        "cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105",
    ),
    "mobilenet_v1_imagenet": Remote(
        f"{_KERAS}/mobilenet/mobilenet_1_0_224_tf_no_top.h5",
        "mobilenet_1_0_224_tf_no_top.h5",
        17_225_924,
        "9f9cfd8c925431c06ce96744e1d201575f6a681bf38ae2de38e2ae8f7d7829d3",
    ),
    "mobilenet_v2_035_imagenet": Remote(
        f"{_KERAS}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
        "mobilenet_v2_035_224_no_top.h5",
        2_019_640,
    ),
    "movinet_a0_stream_int8": Remote(
        f"{_MOVINET}/a0/stream/kinetics-600/classification/tflite/int8/1?lite-format=tflite",
        "movinet_a0_stream_int8.tflite",
        3_276_048,
        "6125b36e2485eeb5cc1fd6206cf5e5d70235593fbc84610d1dce97fe3aa9c2ac",
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


def weights(name: str) -> Remote:
    """Return where pretrained weights come from.

    Raises:
        InputError: There are none of this name; the message lists those that exist.
    """
    if name not in WEIGHTS:
        raise InputError(f"no weights {name!r}: {', '.join(WEIGHTS)}")
    return WEIGHTS[name]
