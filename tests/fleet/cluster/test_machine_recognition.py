"""Lots that recognise on their machine decide as lots that recognise in their own processes."""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.broker.busy_lot import busy_lot
from support.broker.real_broker import Mosquitto
from support.processes.postgresql import PostgreSQL
from support.processes.stream_process import eager_copy, shipped_bundle, write_video

from fleet.lots.lot import LotTask
from fleet.lots.lot_outbox import LotOutbox
from har_stream.bundles.bundle import MANIFEST, load_bundle
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.settings import DiscoverySettings, Settings
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.recognition.recogniser import Decision, Recogniser
from har_stream.recognition.window_rows import WindowRows

machine_recognition = pytest.importorskip("fleet.cluster.machine_recognition", reason="no ray here")
ray_workers = pytest.importorskip("fleet.cluster.ray_workers", reason="no ray here")
START = datetime(2026, 1, 1, tzinfo=UTC)
BUNDLE = load_bundle(shipped_bundle())
SETTINGS = Settings(
    cameras=(CameraSettings(source="sim:1", name="cam1"),), bundle=str(shipped_bundle())
)
WAIT_S = 60.0


def _frames(seed: int, n: int) -> list[Frame]:
    """Frames of a camera that loses sight once."""
    images = np.random.default_rng(seed).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
    return [
        Frame(image, START + timedelta(seconds=tick / 5), resets=tick in (0, 12))
        for tick, image in enumerate(images)
    ]


def _decide(recogniser: Recogniser, cameras: dict[str, list[Frame]]) -> list[Decision]:
    ticks = zip(*cameras.values(), strict=True)
    return [d for tick in ticks for d in recogniser.step([*zip(cameras, tick, strict=True)])]


def _assert_same(found: list[Decision], expected: list[Decision]) -> None:
    assert [(d.camera, d.at, d.known) for d in found] == [
        (d.camera, d.at, d.known) for d in expected
    ]
    assert found
    np.testing.assert_allclose(
        [d.probabilities for d in found], [d.probabilities for d in expected], atol=1e-5
    )


@pytest.fixture(scope="module", params=["litert", pytest.param("keras", marks=pytest.mark.slow)])
def actor(ray: None, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The recognition of a machine, on its CPU."""
    started = machine_recognition.start_recognition(
        SETTINGS, node="DEFAULT", n_gpus=0, engine=request.param
    )
    yield started
    ray_workers.ray.kill(started)


def test_a_lot_with_another_bundle_is_refused(actor: Any, tmp_path: Path) -> None:
    other = load_bundle(eager_copy(tmp_path / "bundle"))
    with pytest.raises(InputError, match="another bundle than the lot has; restart the lot"):
        machine_recognition.MachineEngine(actor, "lot1", other)


def test_two_lots_decide_as_by_themselves_and_go_on_with_the_next_when_it_is_killed(
    actor: Any,
) -> None:
    lots = [
        {"cam1": _frames(1, 50), "cam2": _frames(2, 50)},
        {"cam1": _frames(3, 50)},  # called as the other lot's
    ]
    shared = [
        Recogniser(BUNDLE, engine=machine_recognition.MachineEngine(actor, f"lot{n}", BUNDLE))
        for n in range(len(lots))
    ]
    assert "CPU" in shared[0].runs_on.upper()
    with ThreadPoolExecutor() as pool:
        for found, cameras in zip(pool.map(_decide, shared, lots), lots, strict=True):
            _assert_same(found, _decide(Recogniser(BUNDLE, engine="litert"), cameras))

    ray_workers.ray.kill(actor, no_restart=False)
    stream = _frames(4, 10_000)[13:]
    deadline_s = time.monotonic() + WAIT_S
    asked: list[Frame] = []
    decisions: list[Decision] = []
    while len(decisions) < 2 and time.monotonic() < deadline_s:
        began_s = time.monotonic()
        asked.append(stream[len(asked)])
        decisions += shared[0].step([("cam1", asked[-1])])
        assert time.monotonic() - began_s < machine_recognition.ANSWER_S + 5
        if not decisions:
            threading.Event().wait(0.01)
    n_begun = next(n for n, frame in enumerate(asked) if frame.captured_at == decisions[0].at)
    anew = asked[n_begun - BUNDLE.manifest.clip.n_frames + 1 :]
    _assert_same(decisions, _decide(Recogniser(BUNDLE, engine="litert"), {"cam1": anew}))


def test_what_lots_ask_for_meanwhile_is_computed_together() -> None:
    actor = machine_recognition.RecognitionActor(SETTINGS.model_dump_json(), "litert")
    frames = np.zeros((2, 64, 64, 3), np.float32)
    slots = np.arange(2)
    rows = WindowRows.from_manifest(BUNDLE.manifest)
    step = (frames, slots, rows.ages(slots), rows.ending(slots))
    n_computed: list[int] = []

    async def ask() -> list[Any]:
        for lot in "abc":
            assert (await actor.join(lot, f"key-{lot}", BUNDLE.hash))[1] == ""
        compute = actor._compute

        def counted(batch: Any) -> None:
            n_computed.append(len(batch))
            compute(batch)

        actor._compute = counted
        answers = await asyncio.gather(*(actor.step(lot, f"key-{lot}", *step) for lot in "abcd"))
        await actor.forget("a")
        return [*answers, await actor.step("a", "key-a", *step)]

    *known, stranger, forgotten = asyncio.run(ask())
    assert n_computed == [1, 3, 1]
    assert [each.shape for each in known] == [(2, len(BUNDLE.manifest.labels))] * 3
    assert stranger is None
    assert forgotten is None


def _task(bundle: Path, mosquitto: Mosquitto, postgresql: PostgreSQL, state_dir: Path) -> LotTask:
    """A lot with a recording."""
    video = write_video(state_dir / "cam1.mp4", 100)
    settings = Settings(
        node=f"lot-{uuid.uuid4()}",
        broker=BrokerSettings(url=mosquitto.url),
        discovery=DiscoverySettings(enabled=False),
        cameras=(CameraSettings(source=str(video), name="cam1", home="h1"),),
        state_dir=state_dir,
        bundle=str(bundle),
        engine="keras",
    )
    return LotTask(settings=settings, database=postgresql.url, recognise_on="machine")


def test_a_machine_without_a_gpu_is_told_of_once_and_its_lots_recognise_themselves(
    ray: None,
    mosquitto: Mosquitto,
    postgresql: PostgreSQL,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = _task(shipped_bundle(), mosquitto, postgresql, tmp_path)
    workers = ray_workers.RayWorkers({"lot1": task, "lot2": task}, make=busy_lot)
    for lot in ("lot1", "lot2"):
        workers.start(lot, "r1")
        workers.kill(lot)
    assert caplog.messages == ["r1 has no GPU: its lots recognise in their processes"]


@pytest.mark.slow
def test_a_lot_on_a_ray_recognises_on_its_machine(
    ray: None, mosquitto: Mosquitto, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    # Without files for its own engine the lot could not recognise by itself.
    manifest = eager_copy(tmp_path / "bundle") / MANIFEST
    said = json.loads(manifest.read_text())
    for files in said["networks"].values():
        del files["keras"]
    manifest.write_text(json.dumps(said))
    task = _task(manifest.parent, mosquitto, postgresql, tmp_path)
    workers = ray_workers.RayWorkers({"lot": task}, recognition_gpus=0.0)
    workers.start("lot", "r1")
    deadline_s = time.monotonic() + WAIT_S
    ended = None
    while ended is None and time.monotonic() < deadline_s:
        threading.Event().wait(0.1)
        answer = workers.answers().get("lot")
        ended = answer if answer is not None and answer.status is None else None
    assert ended is not None
    assert not ended.error
    workers.kill("lot")
    outbox = LotOutbox(task.database, task.settings.node, owner="m2")
    kinds = [event.event_type for event in outbox.replay("cam1", 1).events]
    outbox.close()
    assert kinds[:1] == ["activity_started"]
    assert kinds[-1:] == ["activity_ended"]
