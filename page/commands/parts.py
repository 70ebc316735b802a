"""What a har-stream is made of here: packages, bundles, weights; their versions and licences."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from har_stream.bundles.bundle import bundle_paths, read_named_manifest
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.core.errors import InputError
from predictor.prior.common_habits import LICENCE

_OWN = "har-stream"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OF_AN_EXTRA = re.compile(r"\bextra\s*==\s*['\"](?P<name>[^'\"]+)")
_DEVELOPERS = "dev"
_UNSAID = "it does not say"
_LONGEST = 80
"""Of a licence that is one word or a few, and not its whole text."""


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package that har-stream runs on."""

    name: str
    version: str
    licence: str


def installed_packages() -> list[Package]:
    """Return har-stream and every installed package that it needs or may use, itself first."""
    own = distribution(_OWN)
    found: dict[str, Distribution] = {}
    waiting = list(_needs(own, is_own=True))
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()  # as PEP 503 has it
        if key in found:
            continue
        try:
            found[key] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += _needs(found[key], is_own=False)
    others = [found[key] for key in sorted(found) if key != _OWN]
    return [Package(each.name, each.version, _licence_of(each)) for each in (own, *others)]


def say_versions() -> str:
    """Return a line for Python and for each package, har-stream first."""
    own, *others = installed_packages()
    python = ".".join(map(str, sys.version_info[:3]))
    lines = [f"{own.name} {own.version}", f"  Python {python}"]
    return "\n".join([*lines, *(f"  {each.name} {each.version}" for each in others)])


def say_licences(state_dir: Path) -> str:
    """Return a line for each package, each bundle (shipped or one's own), and what is fetched."""
    packages = [f"  {each.name} {each.version}: {each.licence}" for each in installed_packages()]
    bundles = [f"  {path.name}: {_of_bundle(path, state_dir)}" for path in bundle_paths(state_dir)]
    weights = [f"  {name}: {each.licence or _UNSAID}" for name, each in WEIGHTS.items()]
    groups = {
        "packages:": packages,
        "bundles:": bundles,
        "what a new home's forecasts begin with:": [f"  {LICENCE}"],
        "weights that a command fetches:": weights,
    }
    return "\n".join(line for title, lines in groups.items() for line in (title, *lines))


def _of_bundle(path: Path, state_dir: Path) -> str:
    try:
        manifest = read_named_manifest(str(path), state_dir=state_dir)
    except InputError as error:
        return f"cannot be read: {error}"
    return manifest.provenance.licence or _UNSAID


def _needs(package: Distribution, *, is_own: bool) -> Iterator[str]:
    """Name what a package requires; of our own extras all but the developers'."""
    for requirement in package.requires or ():
        extra = _OF_AN_EXTRA.search(requirement)
        if extra is None or (is_own and extra["name"] != _DEVELOPERS):
            name = _NAME.match(requirement)
            if name:
                yield name[0]


def _licence_of(package: Distribution) -> str:
    about = package.metadata
    said: str = (about.get_all("License-Expression") or about.get_all("License") or [""])[0]
    if 0 < len(said) <= _LONGEST and "\n" not in said:
        return said
    classified = [
        line.rsplit(" :: ", 1)[-1]
        for line in about.get_all("Classifier") or ()
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    return ", ".join(classified) or said.partition("\n")[0][:_LONGEST] or _UNSAID
