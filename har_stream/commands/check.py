"""`har-stream --check`: tries everything that it needs, once, and says what is wrong with it.

Every finding is one line with its remedy. What has a remedy though it is no fault (a broker that
cannot tell who listens, a clock that nothing keeps right) is a hint and fails nothing.
"""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime

import numpy as np

from har_stream.bundles import bundle
from har_stream.bundles.bundle import Bundle
from har_stream.cameras.camera import read_camera
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.read_options import ReadOptions
from har_stream.commands.broker_check import check_broker
from har_stream.commands.finding import Finding
from har_stream.config.camera import CameraSettings
from har_stream.config.settings import Settings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.redact import redact
from har_stream.recognition.camera_track import deciding_for
from har_stream.recognition.recogniser import Recogniser

LOOK_S = 2.0
"""A camera is watched so long, in stream time, to count its frames."""
UNTOLD_HZ = 10.0
"""Sampling where no bundle says how often."""
OLDEST_YEAR = 2026
"""This program was made then; a clock before it was never set."""
SILENT_REMEDY = "see that it is connected, streams, and no other program holds it"
SLOW = 0.9
"""Of the sampling rate; a camera is slow below."""
JUMP_S = 1.0
"""The wall clock may part so far from the steady one during a check; beyond, it was set."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Check everything, one finding after the other; a live camera takes `LOOK_S` and more."""
    wall_s, steady_s = time.time(), time.monotonic()
    yield check_state_dir(settings)
    loaded, findings = check_bundle(settings)
    yield from findings
    yield from check_broker(settings)
    if not settings.cameras:
        remedy = "give --camera SRC or cameras in --config FILE; --list-cameras shows what is there"
        yield Finding("camera", False, "none given", remedy)
    for camera in settings.cameras:
        yield check_camera(camera, loaded)
    jumped_s = (time.time() - wall_s) - (time.monotonic() - steady_s)
    yield check_clock(datetime.now().astimezone(), jumped_s=jumped_s, synchronised=_synchronised())


def check_state_dir(settings: Settings) -> Finding:
    """Write and remove a file where the outbox will lie."""
    folder = settings.state_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"written by har-stream --check")
            file.flush()
        free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        remedy = "make it yours, or give another --state-dir"
        return Finding("state", False, f"{folder}: cannot be written: {error.strerror}", remedy)
    return Finding("state", True, f"{folder} is writable, {free_gb:.1f} GB free")


def check_bundle(settings: Settings) -> tuple[Bundle | None, list[Finding]]:
    """Load the bundle, start its engine and have it decide on a blank window."""
    try:
        name = settings.bundle or bundle.DEFAULT
        loaded = bundle.load_named(name, state_dir=settings.state_dir)
    except InputError as error:
        remedy = "har-stream --list-bundles names those that there are"
        return None, [Finding.of("bundle", error, remedy=remedy)]
    labels = ", ".join(loaded.manifest.labels)
    fine = Finding("bundle", True, f"{loaded.manifest.name} knows {labels}")
    try:
        recogniser = Recogniser(loaded, engine=settings.engine)
        frame_ms = _recognise_blank(recogniser)
    except InputError as error:
        return loaded, [fine, Finding.of("engine", error, remedy="try another --engine")]
    text = f"{recogniser.runs_on} decides on a blank window, {frame_ms:.1f} ms a frame"
    return loaded, [fine, Finding("engine", True, text)]


def _recognise_blank(recogniser: Recogniser) -> float:
    """Decide on one blank window; return the time that a frame took, in milliseconds."""
    spec = recogniser.bundle.manifest.clip
    blank = np.zeros((spec.height_px, spec.width_px, 3), np.uint8)
    frame = Frame(blank, datetime.now().astimezone())
    began_s = time.perf_counter()
    decisions = [each for _ in range(spec.n_frames) for each in recogniser.step([("blank", frame)])]
    frame_ms = 1000 * (time.perf_counter() - began_s) / spec.n_frames
    decisions += recogniser.finish("blank")
    if not all(np.isfinite(decision.probabilities).all() for decision in decisions):
        raise InputError(f"{recogniser.bundle.path}: it computes nonsense; export the bundle anew")
    return frame_ms


def check_camera(camera: CameraSettings, loaded: Bundle | None) -> Finding:
    """Open a camera as streaming does, whole, and watch it for `LOOK_S` of stream time."""
    name = f"camera {camera.id}"
    try:
        if loaded is not None:
            deciding_for(camera, loaded.manifest)
        return _look(name, camera, loaded)
    except InputError as error:
        return Finding.of(name, error, remedy=SILENT_REMEDY)


def _look(name: str, camera: CameraSettings, loaded: Bundle | None) -> Finding:
    sample_hz = loaded.manifest.clip.sample_hz if loaded else UNTOLD_HZ
    whole = camera.model_copy(update={"region": None, "masks": ()})
    source = redact(camera.source)
    counts = SourceCounts()
    first: Frame | None = None
    n_before, n_watched, elapsed_s = 0, 0, 0.0
    stop = threading.Event()
    items = read_camera(
        whole, ReadOptions(sample_hz=sample_hz, fail_fast=True), stop=stop, counts=counts
    )
    for item in items:
        if isinstance(item, CameraStatus):
            if item.state is not CameraState.ONLINE:
                reason = item.reason.partition("; ")[0]  # nothing is tried again here
                return Finding(name, False, f"{source}: {reason}", SILENT_REMEDY)
            continue
        if first is None:
            first, n_before = item, counts.n_in
        if elapsed_s < LOOK_S:
            n_watched = counts.n_in - n_before
            elapsed_s = (item.captured_at - first.captured_at).total_seconds()
        if elapsed_s >= LOOK_S:
            stop.set()  # then it lets go of the camera, and the loop ends
    if first is None:
        return Finding(name, False, f"{source}: no frame came", SILENT_REMEDY)
    height_px, width_px = first.image.shape[:2]
    seen = f"{source} opens, {width_px}x{height_px}"
    if not elapsed_s:
        return Finding(name, True, f"{seen}, too short to tell its fps")
    fps = n_watched / elapsed_s
    seen = f"{seen} at {fps:.3g} fps"
    if fps < SLOW * sample_hz:
        slow = (
            f"it is slower than the {sample_hz:g} fps that the bundle wants: raise its frame rate"
        )
        return Finding(name, True, seen, slow)
    return Finding(name, True, seen)


def check_clock(at: datetime, *, jumped_s: float, synchronised: bool | None) -> Finding:
    """Judge the wall clock.

    Args:
        at: What it says, timezone-aware.
        jumped_s: By how much it ran ahead of the steady clock during the check.
        synchronised: Whether the system says that it is kept right over the network, if it says so.
    """
    remedy = "let the system keep it over the network: timedatectl set-ntp true"
    said = at.isoformat(timespec="seconds")
    if at.year < OLDEST_YEAR:
        return Finding("clock", False, f"it says {said}, which has been", remedy)
    if abs(jumped_s) > JUMP_S:
        return Finding("clock", False, f"it jumped by {jumped_s:+.1f} s during this check", remedy)
    if synchronised is False:
        return Finding("clock", True, f"{said}, which nothing keeps right", remedy)
    return Finding("clock", True, f"{said}, {'synchronised' if synchronised else 'steady'}")


def _synchronised() -> bool | None:
    """Ask systemd whether the clock is kept over the network; none where it does not say."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        said = subprocess.run(  # noqa: S603 -- a fixed command, no shell
            command, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(said.stdout.strip())
