"""Pretrained weights that others publish: where, how large, and how to tell that they are right."""

from dataclasses import dataclass

from har_stream.core.errors import InputError

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_MOVENET = "https://tfhub.dev/google/lite-model/movenet"
_MOVINET = "https://tfhub.dev/tensorflow/lite-model/movinet"
_APACHE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to fetch.

    Attributes:
        url: Its official address.
        name: What it is called here.
        n_bytes: Its size where it is known beforehand; otherwise the server's word is taken.
        sha256: Its published hash. Where none is published, the hash of the first download is
            written down beside it.
        licence: What may be done with it, where that is one word.
    """

    url: str
    name: str
    n_bytes: int | None = None
    sha256: str | None = None
    licence: str = ""


WEIGHTS = {
    "movenet_lightning": Remote(
        f"{_MOVENET}/singlepose/lightning/tflite/int8/4?lite-format=tflite",
        "movenet_lightning_int8.tflite",
        2_894_840,
        "cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105",
        _APACHE,
    ),
    "mobilenet_v1_imagenet": Remote(
        f"{_KERAS}/mobilenet/mobilenet_1_0_224_tf_no_top.h5",
        "mobilenet_1_0_224_tf_no_top.h5",
        17_225_924,
        "9f9cfd8c925431c06ce96744e1d201575f6a681bf38ae2de38e2ae8f7d7829d3",
        _APACHE,
    ),
    "mobilenet_v2_035_imagenet": Remote(
        f"{_KERAS}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
        "mobilenet_v2_035_224_no_top.h5",
        2_019_640,
        licence=_APACHE,
    ),
    "movinet_a0_stream_int8": Remote(
        f"{_MOVINET}/a0/stream/kinetics-600/classification/tflite/int8/1?lite-format=tflite",
        "movinet_a0_stream_int8.tflite",
        3_276_048,
        "6125b36e2485eeb5cc1fd6206cf5e5d70235593fbc84610d1dce97fe3aa9c2ac",
        _APACHE,
    ),
}


def weights(name: str) -> Remote:
    """Return where pretrained weights come from.

    Raises:
        InputError: There are none of this name; the message lists those that exist.
    """
    if name not in WEIGHTS:
        raise InputError(f"no weights {name!r}: {', '.join(WEIGHTS)}")
    return WEIGHTS[name]
