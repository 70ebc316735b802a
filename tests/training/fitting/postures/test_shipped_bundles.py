"""The configs of the shipped bundles of postures are read, and say what their manifests say."""

from dataclasses import asdict
from pathlib import Path

import pytest
from support.repository import ROOT

from har_stream.bundles.bundle import Manifest, read_named_manifest
from har_stream.bundles.published_weights import WEIGHTS
from har_stream.bundles.weights import hash_of
from har_stream.config.yaml_file import read_yaml
from har_stream.recognition.person.postures import POSTURES
from training.fitting.postures.settings import PostureConfig

MADE_BY = {"home": "configs/postures.yaml", "home-movenet": "configs/postures-movenet.yaml"}


@pytest.fixture(params=MADE_BY)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[PostureConfig, Manifest]:
    """A config, and the manifest of the bundle that it made."""
    config = read_yaml(ROOT / MADE_BY[request.param], PostureConfig)
    return config, read_named_manifest(config.name, state_dir=tmp_path)


def test_a_bundle_decides_as_its_config_says(made: tuple[PostureConfig, Manifest]) -> None:
    config, manifest = made
    assert (manifest.name, manifest.about) == (config.name, config.about)
    assert (manifest.clip, manifest.hop_frames) == (config.clip, config.hop_frames)
    assert manifest.falls == config.falls
    deciding = config.deciding.model_dump(exclude_none=True)
    assert deciding.items() <= asdict(manifest.deciding).items()
    assert manifest.outputs == POSTURES
    assert set(config.states.values()) == set(POSTURES)


def test_a_bundle_comes_from_where_its_config_says(made: tuple[PostureConfig, Manifest]) -> None:
    config, manifest = made
    told = manifest.provenance
    assert MADE_BY[config.name] in told.command
    assert set(told.trained_on) == {f"*/{room}" for room in config.rooms}
    assert told.dataset.startswith(", ".join(config.learn_from) + ";")
    assert (told.seed, told.licence) == (config.seed, config.licence)


def test_a_bundle_holds_its_key_point_network_or_names_it(
    made: tuple[PostureConfig, Manifest],
) -> None:
    config, manifest = made
    pose = manifest.networks["pose"]["litert"]
    if config.pose_inside:
        assert manifest.outside == {}
        assert hash_of(ROOT / config.pose) == manifest.sha256[pose]
    else:
        assert manifest.outside[pose].sha256 == WEIGHTS[config.pose].sha256
