"""Networks by name. A new one is one new file in this folder; its docstring's first line names it.

Every file offers `MEMORY`, `build` and `split` as `Network` describes them.
"""

import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from har_stream.bundle import Memory, Role
from har_stream.clips import ClipSpec
from har_stream.errors import InputError

if TYPE_CHECKING:
    import keras


class Network(Protocol):
    """What a network's file offers.

    Attributes:
        MEMORY: What is kept between two frames; see `har_stream.bundle.Manifest`.
    """

    MEMORY: Memory

    def build(self, n_labels: int, clip: ClipSpec) -> "keras.Model":
        """Return the window model: normalised (n_frames, height, width, 3) to probabilities."""

    def split(self, model: "keras.Model") -> "dict[Role, keras.Model]":
        """Return the step form of a window model, with its weights and without its dropout.

        Inputs and outputs carry these names and shapes (B frames, M rows, one row per open window):

        - ``encoder``: ``frames`` (B, height, width, 3) -> ``features`` (B, ...).
        - ``advance``: ``features`` (M, ...) or (1, ...), ``age`` (M,) int32 and the states (M, ...)
          -> ``logits`` (M, n_labels) and the same states one frame on. Age 0 begins a window: the
          network itself forgets the state then, so that callers never look into one.
        - ``head``: ``features`` (M, n_frames, ...) -> ``logits`` (M, n_labels).

        All inputs and outputs are dictionaries by these names; states have any other.
        ``staggered`` memory needs encoder and advance, ``ring`` encoder and head, ``running``
        advance and perhaps an encoder.
        """


def names() -> list[str]:
    """Names of all networks."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in found if module.name != Path(__file__).stem)


def get(name: str) -> Network:
    """Return the network of this name.

    Raises:
        InputError: There is none; the message lists the names that exist.
    """
    if name not in names():
        raise InputError(f"no network {name!r}: choose one of {', '.join(names())}")
    return cast("Network", importlib.import_module(f"training.networks.{name}"))
