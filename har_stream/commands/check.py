"""`har-stream --check`: tries everything that it needs, once, and says what is wrong with it.

Every result is one line with its remedy. What has a remedy though it is no fault (a broker that
cannot tell who listens, a clock that nothing keeps right) is a hint and fails nothing.
"""

import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from har_stream.bundles.awaited_labels import awaited_labels, bundles_by_label, suggest_label
from har_stream.bundles.bundle import DEFAULT, Bundle
from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.cameras.camera import is_blank, read_camera
from har_stream.cameras.capture import SourceCounts
from har_stream.cameras.read_options import ReadOptions
from har_stream.cameras.sampling import LONGEST_STEP_S
from har_stream.commands.check_clock import (
    check_clock,
    hear_clocks,
    is_synchronised,
    last_written_at,
)
from har_stream.commands.check_result import CheckResult
from har_stream.config.camera_settings import CameraSettings
from har_stream.config.settings import Settings
from har_stream.core.activity import CameraState, CameraStatus
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.core.redact import redact
from har_stream.homeassistant.discovery import BIRTH_TOPIC
from har_stream.mqtt.broker_address import default_address
from har_stream.mqtt.brokers import embedded_broker
from har_stream.mqtt.connection import ONLINE
from har_stream.mqtt.connection_attempt import REFUSED
from har_stream.mqtt.probe import open_probe
from har_stream.mqtt.topics import Topics
from har_stream.recognition.camera_track import fall_rule_for, thresholds_for
from har_stream.recognition.recogniser import Recogniser

LOOK_S = 2.0
"""A camera is watched so long, in stream time, to count its frames."""
UNTOLD_HZ = 10.0
"""Sampling where no bundle says how often."""
SILENT_REMEDY = "see that it is connected, streams, and no other program holds it"
TOO_SLOW_REMEDY = "nothing can be recognised at less than a frame a second: raise its frame rate"
BLANK_REMEDY = "see that the lens is not covered, and that the stream is whole"
STILL_REMEDY = "if something moves in front of it, it hangs: switch it off and on"
SLOW = 0.9
"""Of the sampling rate; a camera is slow below."""


def check_all(
    settings: Settings, *, delivers: Mapping[str, bool] | None = None
) -> Iterator[CheckResult]:
    """Check everything, one result after the other; a live camera takes `LOOK_S` and more.

    Args:
        settings: What is to work.
        delivers: By camera, whether it delivers, where `har-stream` is at work and holds them;
            none: each is opened.
    """
    wall_s, steady_s = time.time(), time.monotonic()
    written_at = last_written_at(settings.state_dir)
    yield check_state_dir(settings)
    loaded, findings = check_bundle(settings)
    yield from findings
    yield from check_labels(settings, loaded)
    yield from check_broker(settings)
    if not settings.cameras:
        remedy = "give --camera SRC or cameras in --config FILE; --list-cameras shows what is there"
        yield CheckResult("camera", False, "none given", remedy)
    for camera in settings.cameras:
        if delivers is None:
            yield check_camera(camera, loaded)
        else:
            yield held_camera_result(camera.id, delivers.get(camera.id))
    jumped_s = (time.time() - wall_s) - (time.monotonic() - steady_s)
    yield check_clock(
        datetime.now().astimezone(),
        jumped_s=jumped_s,
        synchronised=is_synchronised(),
        written_at=written_at,
        heard=hear_clocks(settings),
    )


def held_camera_result(name: str, delivers: bool | None) -> CheckResult:
    """Say how a camera is that is being watched; none: it is switched off."""
    if delivers is None:
        return CheckResult(f"camera {name}", True, "switched off")
    text = "delivers" if delivers else "does not deliver"
    return CheckResult(f"camera {name}", delivers, text, "" if delivers else SILENT_REMEDY)


def check_state_dir(settings: Settings) -> CheckResult:
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
        return CheckResult("state", False, f"{folder}: cannot be written: {error.strerror}", remedy)
    return CheckResult("state", True, f"{folder} is writable, {free_gb:.1f} GB free")


def check_bundle(settings: Settings) -> tuple[Bundle | None, list[CheckResult]]:
    """Load the bundle, start its engine and have it decide on a blank window."""
    try:
        name = settings.bundle or DEFAULT
        loaded = load_with_weights(name, state_dir=settings.state_dir)
    except InputError as error:
        remedy = "har-stream --list-bundles names those that there are"
        return None, [CheckResult.from_error("bundle", error, remedy=remedy)]
    labels = ", ".join(loaded.manifest.activities)
    fine = CheckResult("bundle", True, f"{loaded.manifest.name} knows {labels}")
    try:
        recogniser = Recogniser(loaded, engine=settings.engine)
        frame_ms = _recognise_blank(recogniser)
    except InputError as error:
        return loaded, [
            fine,
            CheckResult.from_error("engine", error, remedy="try another --engine"),
        ]
    text = f"{recogniser.runs_on} decides on a blank window, {frame_ms:.1f} ms a frame"
    return loaded, [fine, CheckResult("engine", True, text)]


def check_labels(settings: Settings, loaded: Bundle | None) -> Iterator[CheckResult]:
    """Look among the labels of all bundles for what rules and sensors wait for; only faults."""
    waiting = awaited_labels(settings)
    by_label = bundles_by_label(settings, [loaded.manifest] if loaded else []) if waiting else {}
    for name, label in waiting.items():
        if label not in by_label:
            remedy = suggest_label(label, by_label)
            yield CheckResult(name, False, f"no bundle knows {label!r}", remedy)
        elif loaded and loaded.manifest.name not in by_label[label]:
            text = f"{loaded.manifest.name} does not know {label!r}"
            remedy = f"another node must report it, by the bundle {' or '.join(by_label[label])}"
            yield CheckResult(name, True, text, remedy)


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


def check_broker(settings: Settings) -> Iterator[CheckResult]:
    """Publish below ``<base>/<node>/`` and hear it again; then ask who listens for discovery."""
    prefix = settings.discovery.prefix
    birth = f"{prefix}/{BIRTH_TOPIC}"
    root = Topics(settings.base_topic).node(settings.node)
    mark = f"{root}/check-{uuid.uuid4().hex}"
    with ExitStack() as stack:
        is_own = settings.broker.url is None and not embedded_broker.is_listening(default_address())
        try:
            stack.enter_context(embedded_broker.ensure_broker(settings.broker.url))
            probe = stack.enter_context(open_probe(settings.broker, birth, mark))
        except InputError as error:
            yield CheckResult.from_error("mqtt", error, remedy="see the broker's log")
            return
        probe.publish(mark)
        # A refusal ends the wait; that it was taken does not, for only its coming back shows that
        # we may read there too.
        probe.wait_until(lambda: bool(probe.payloads(mark)) or probe.is_refused(mark))
        yield broker_result(
            f"{'own ' if is_own else ''}broker {probe.address}",
            root,
            came_back=bool(probe.payloads(mark)),
            refused=probe.is_refused(mark),
            is_own=is_own,
        )
        if not settings.discovery.enabled:
            yield CheckResult("discovery", True, "switched off (discovery.enabled)")
            return
        # Where discovery speaks; an empty payload announces and removes nothing.
        asked = f"{prefix}/sensor/{settings.node}/check/config"
        probe.publish(asked)
        yield discovery_result(
            prefix,
            answer=probe.reason_code(asked),
            said_online=ONLINE.encode() in probe.payloads(birth),
        )


def broker_result(
    name: str, root: str, *, came_back: bool, refused: bool, is_own: bool
) -> CheckResult:
    """Say whether we may speak there.

    Args:
        name: The broker's.
        root: Below which we publish.
        came_back: Whether what we published was delivered to us.
        refused: Whether the broker refused it.
        is_own: Whether it is one of our own, started for want of another.
    """
    if came_back:
        remedy = "it ends with har-stream; for a home, run Mosquitto as a service" if is_own else ""
        text = f"{name} takes and delivers what is published below {root}/"
        return CheckResult("mqtt", True, text, remedy)
    remedy = f"its access list must allow this user to read and write {root.split('/')[0]}/#"
    fault = "forbids publishing" if refused else "does not deliver to us what we publish"
    return CheckResult("mqtt", False, f"{name} {fault} below {root}/", remedy)


def discovery_result(prefix: str, *, answer: int | None, said_online: bool) -> CheckResult:
    """Say whether Home Assistant would find us.

    Args:
        prefix: Below which we announce.
        answer: The reason code for what is published there; none: the broker cannot tell.
        said_online: Whether a retained ``online`` lies on ``<prefix>/status``; Home Assistant
            retains it only where it is told to.
    """
    remedy = (
        "with Home Assistant, point its MQTT integration at this broker with this discovery "
        "prefix; without, set discovery.enabled: false"
    )
    if answer is not None and answer >= REFUSED:
        remedy = f"its access list must allow this user to write {prefix}/#"
        text = f"the broker forbids publishing below {prefix}/"
        return CheckResult("discovery", False, text, remedy)
    if said_online or answer == 0:
        return CheckResult("discovery", True, f"somebody listens below {prefix}/")
    if answer is None:
        text = f"this broker cannot tell whether anybody listens below {prefix}/ (MQTT 3.1.1)"
        return CheckResult("discovery", True, text, remedy)
    return CheckResult("discovery", True, f"nobody listens below {prefix}/", remedy)


def check_camera(camera: CameraSettings, loaded: Bundle | None) -> CheckResult:
    """Open a camera as streaming does, whole, and watch it for `LOOK_S` of stream time."""
    name = f"camera {camera.id}"
    try:
        if loaded is not None:
            thresholds_for(camera, loaded.manifest)
            fall_rule_for(camera, loaded.manifest)
        return _look(name, camera, loaded)
    except InputError as error:
        return CheckResult.from_error(name, error, remedy=SILENT_REMEDY)


@dataclass(slots=True)
class _Seen:
    """What came of a camera in `LOOK_S`.

    Attributes:
        first: Its first frame, if any came.
        n_frames: Frames since then, sampled or not.
        elapsed_s: Stream time since then.
        is_blank: Whether every picture is black or of one colour.
        is_still: Whether every picture is the same.
        lost: Why no more came, where that ended it.
        remedy: What to do about it, if there is more to say.
    """

    first: Frame | None = None
    n_frames: int = 0
    elapsed_s: float = 0.0
    is_blank: bool = True
    is_still: bool = True
    lost: str = ""
    remedy: str = ""


def _look(name: str, camera: CameraSettings, loaded: Bundle | None) -> CheckResult:
    sample_hz = loaded.manifest.clip.sample_hz if loaded else UNTOLD_HZ
    source = redact(camera.source)
    seen = _watch(camera, sample_hz)
    if seen.lost or seen.first is None:
        text = f"{source}: {seen.lost or 'no frame came'}"
        return CheckResult(name, False, text, seen.remedy or SILENT_REMEDY)
    return _judge(name, source, seen, first=seen.first, sample_hz=sample_hz)


def _watch(camera: CameraSettings, sample_hz: float) -> _Seen:
    """Watch the whole image, without region and masks: what the camera itself delivers."""
    whole = camera.model_copy(update={"region": None, "masks": ()})
    seen, counts, stop = _Seen(), SourceCounts(), threading.Event()
    n_before = 0
    options = ReadOptions(sample_hz=sample_hz, fail_fast=True)
    for item in read_camera(whole, options, stop=stop, counts=counts):
        if isinstance(item, CameraStatus):
            if item.state is not CameraState.ONLINE:
                reason = item.reason.removesuffix("; trying again")  # which it is not here
                seen.lost, _, seen.remedy = reason.partition("; ")
                break
            continue
        # Frames are counted from the first on, which may have brought a queue along.
        if seen.first is None:
            seen.first, n_before = item, counts.n_in
        seen.is_blank = seen.is_blank and is_blank(item.image)
        seen.is_still = seen.is_still and np.array_equal(item.image, seen.first.image)
        if seen.elapsed_s < LOOK_S:
            seen.n_frames = counts.n_in - n_before
            seen.elapsed_s = (item.captured_at - seen.first.captured_at).total_seconds()
        if seen.elapsed_s >= LOOK_S:
            stop.set()  # then it lets go of the camera, and the loop ends
    return seen


def _judge(name: str, source: str, seen: _Seen, *, first: Frame, sample_hz: float) -> CheckResult:
    """Say whether there is anything to see, and whether it comes fast enough for the bundle."""
    height_px, width_px = first.image.shape[:2]
    text = f"{source} opens, {width_px}x{height_px}"
    fps = seen.n_frames / seen.elapsed_s if seen.elapsed_s else None
    text = f"{text} at {fps:.3g} fps" if fps else f"{text}, too short to tell its fps"
    if seen.is_blank:
        return CheckResult(name, False, f"{text}, but it is black or of one colour", BLANK_REMEDY)
    if fps is None:
        return CheckResult(name, True, text)
    if fps < 1 / LONGEST_STEP_S:
        return CheckResult(name, False, text, TOO_SLOW_REMEDY)
    if seen.is_still:
        return CheckResult(name, True, f"{text}, and its picture stands still", STILL_REMEDY)
    if fps < SLOW * sample_hz:
        slow = (
            f"it is slower than the {sample_hz:g} fps that the bundle wants, so pictures are "
            "repeated: raise its frame rate"
        )
        return CheckResult(name, True, text, slow)
    return CheckResult(name, True, text)
