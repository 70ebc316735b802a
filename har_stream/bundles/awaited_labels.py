"""Labels that settings wait for, and who knows them: a mistyped one would wait for ever."""

import difflib
from collections.abc import Collection, Iterable
from contextlib import suppress

from har_stream.bundles.bundle import Manifest, bundle_paths, read_named_manifest
from har_stream.config.settings import Settings
from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.core.errors import InputError


def awaited_labels(settings: Settings) -> dict[str, str]:
    """Return the label that each rule and each sensor waits for, by what it is called."""
    waiting = {f"rule {rule.name}": rule.activity for rule in settings.forecast.rules}
    return waiting | {f"sensor {label}": label for label in settings.forecast.binary_sensors}


def bundles_by_label(
    settings: Settings, manifests: Iterable[Manifest] = ()
) -> dict[str, list[str]]:
    """Return the names of the bundles that know each label of an activity: ``idle`` never begins.

    Args:
        settings: Where a person's own bundles lie.
        manifests: Further ones.
    """
    every = list(manifests)
    for path in bundle_paths(settings.state_dir):
        with suppress(InputError):  # one that cannot be read knows nothing
            every.append(read_named_manifest(str(path), state_dir=settings.state_dir))
    found: dict[str, list[str]] = {}
    for manifest in every:
        for label in {*manifest.labels} - {IDLE}:
            found[label] = [*found.get(label, []), manifest.name]
    return found


def suggest_label(label: str, known: Collection[str]) -> str:
    """Say which label may be meant, or which there are."""
    if label in (IDLE, UNKNOWN):
        return "it stands for no activity, so it never begins; name one that does"
    near = difflib.get_close_matches(label, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
