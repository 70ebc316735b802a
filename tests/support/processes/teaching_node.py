"""A node that keeps clips, changes its bundle and takes regions, fed by the test."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from support.processes.node import Node
from support.processes.stream_process import shipped_bundle

from har_stream.bundles.bundle import Manifest, load_bundle
from har_stream.commands.bundle_use import BundleUse
from har_stream.commands.check_result import CheckResult
from har_stream.commands.clip_requests import ClipRequests
from har_stream.commands.drawn_regions import RegionRequests
from har_stream.config.settings import ClipSettings
from har_stream.config.state_dir import clips_dir
from har_stream.core.errors import InputError
from har_stream.pipeline import Pipeline
from har_stream.preview.clip_folder import ClipFolder
from har_stream.preview.clip_keeper import ClipKeeper
from har_stream.recognition.recogniser import Recogniser


def _refuse_key_points(manifest: Manifest) -> None:
    """As a node would that was started for something else."""
    if manifest.clip.person == "keypoints":
        raise InputError(f"--record-labels: {manifest.name} does not know them")


@contextlib.contextmanager
def teaching_node(url: str, state_dir: Path) -> Iterator[tuple[ClipFolder, ClipKeeper]]:
    """The node n1 with the camera cam1; its clips lie where the page looks for them."""
    node = Node(url, state_dir)
    folder = ClipFolder(clips_dir(state_dir, "n1"), ClipSettings())
    keeper = ClipKeeper(folder, fps=5.0)
    bundle = load_bundle(shipped_bundle())
    pipeline = Pipeline(Recogniser(bundle), [])
    use = BundleUse(
        node.settings,
        bundle,
        pipeline,
        check=_refuse_key_points,
        has_open_falls=lambda: False,
        when_changed=node.publisher.change_bundle,
    )
    clips = ClipRequests(keeper, ClipSettings(), known=lambda: {"walking"})
    drawn = RegionRequests(node.settings, node.settings.cameras, apply=lambda *_: None)
    for answers in (use.answers(), clips.answers(), drawn.answers()):
        node.publisher.answer_also(answers)
    found = [
        CheckResult("mqtt", True, "delivers"),
        CheckResult("camera cam1", False, "is away", "-"),
    ]
    node.publisher.answer_also({"check": lambda _: {"results": [asdict(each) for each in found]}})
    node.publisher.start()
    yield folder, keeper
    keeper.close()
    node.close()
