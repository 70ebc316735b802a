"""Networks by name. A new one is one new file in this folder; its docstring's first line names it.

Every file offers `MEMORY`, `build` and `split` as `NetworkFile` describes them.
"""

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from har_stream.bundles.bundle import Memory, Role
from har_stream.core.errors import InputError
from har_stream.core.frame import ClipSpec
from training.config import check_size

if TYPE_CHECKING:
    import keras

    from training.config import RunConfig

OPTIONS = ("encoder", "width")
"""Keys of a run's config that some networks know and others do not."""


class NetworkFile(Protocol):
    """What a network's file offers.

    Attributes:
        MEMORY: What is kept between two frames; see `har_stream.bundles.bundle.Manifest`.

    It may also say what it needs of a clip: `LEAST_PX` on each side, `LEAST_FRAMES`, `MOTION`.
    """

    MEMORY: Memory

    def build(self, n_labels: int, clip: ClipSpec, **options: Any) -> "keras.Model":
        """Return the window model: normalised (n_frames, height, width, channels) to probabilities.

        Where a frozen encoder stands before the network, it takes (n_frames, n_features).

        Options by name are those keys of a run's config that the network knows: `encoder`, `width`.
        """

    def split(self, model: "keras.Model") -> "dict[Role, keras.Model]":
        """Return the step form of a window model, with its weights and without its dropout.

        Inputs and outputs carry these names and shapes (B frames, M rows, one row per open window):

        - ``encoder``: ``frames`` (B, height, width, 3) -> ``features`` (B, ...).
        - ``advance``: ``features`` (M, ...) or (1, ...), ``age`` (M,) int32 and the states (M, ...)
          -> ``logits`` (M, n_labels) and the same states one frame on. Age 0 begins a window: the
          network itself forgets the state then, so that callers never look into one.
        - ``head``: ``features`` (M, n_frames, ...) -> ``logits`` (M, n_labels).

        All inputs and outputs are dictionaries by these names; states have any other.
        ``staggered`` memory needs advance, ``ring`` a head, ``running`` advance; each may have an
        encoder. A frozen one is no part of the model, and joins it in the bundle.
        """


def network_names() -> list[str]:
    """Names of all networks."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in found if module.name != Path(__file__).stem)


def get_network(name: str) -> NetworkFile:
    """Return the network of this name.

    Raises:
        InputError: There is none; the message lists the names that exist.
    """
    if name not in network_names():
        raise InputError(f"no network {name!r}: choose one of {', '.join(network_names())}")
    return cast("NetworkFile", importlib.import_module(f"training.networks.{name}"))


def build(config: "RunConfig", *, n_labels: int) -> "keras.Model":
    """Return a run's window model.

    Raises:
        InputError: There is no such network, an option does not fit, or weights are missing.
    """
    return get_network(config.network).build(n_labels, config.clip, **network_options(config))


def network_options(config: "RunConfig") -> dict[str, Any]:
    """Return what a run's config tells its network beyond labels and clip.

    Raises:
        InputError: There is no such network, or it knows no such option, or needs one, or its
            clip is too small or too short for it, or shows motion where it sees none.
    """
    network = get_network(config.network)
    known = inspect.signature(network.build).parameters
    given = {name: getattr(config, name) for name in OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    for name in OPTIONS:
        if name in given and name not in known:
            raise InputError(f"network {config.network} knows no {name!r}: take the key out")
    if "encoder" in known and "encoder" not in given:
        raise InputError(f"network {config.network} stands on an encoder: name it with 'encoder'")
    _check_memory(config, network)
    needs = {"least_px": "LEAST_PX", "least_frames": "LEAST_FRAMES"}
    least = {key: getattr(network, name, 1) for key, name in needs.items()}
    check_size(config.clip, of=config.network, **least)
    if config.clip.motion != (needed := needed_motion(config.network)):
        raise InputError(
            f"clip: {config.network} takes 'motion: {needed}', not 'motion: {config.clip.motion}'"
        )
    return given


def _check_memory(config: "RunConfig", network: NetworkFile) -> None:
    """A backbone's one state begins anew with a stream; windows that overlap begin one by one."""
    encoder = config.encoder
    if network.MEMORY != "staggered" or encoder is None or not encoder.frozen:
        return
    from training.encoders.pretrained import BACKBONES

    if encoder.network in BACKBONES:
        raise InputError(
            f"network {config.network} begins anew with each window, which {encoder.network} "
            "cannot: take movinet, cnn_pool or cnn_transformer, or another encoder.network"
        )


def needed_motion(name: str) -> Literal["none", "flow"]:
    """Return the motion that a network needs under `clip`.

    Raises:
        InputError: There is no such network.
    """
    needed: Literal["none", "flow"] = getattr(get_network(name), "MOTION", "none")
    return needed
