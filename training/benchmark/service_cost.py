"""What the service costs: a start of `har-stream`, its memory, and a message's way."""

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

import numpy as np

from har_stream.bundles.bundle import Bundle
from har_stream.cameras.read_options import ReadOptions, now
from har_stream.cameras.readers import Readers
from har_stream.config.broker_settings import BrokerSettings
from har_stream.config.camera_settings import CameraSettings
from har_stream.core.activity import Recognition
from har_stream.core.errors import InputError
from har_stream.mqtt.connection import Connection
from har_stream.pipeline import Pipeline
from har_stream.recognition.recogniser import Recogniser

LISTEN_S = 5.0
"""A broker listens within this time."""
POLL_S = 0.02
START_S = 60.0
"""`har-stream` has decided within this time, or the measurement is given up."""


def measure_start(film: Path, bundle: Bundle, *, url: str) -> dict[str, float]:
    """Run `har-stream` on a film, as fast as it is read.

    Returns:
        `startup_s`, from the start of the process until its first decision arrives over MQTT, and
        `rss_mb`, the most memory it ever held.
    """
    decided = threading.Event()
    listener = _connection(url, "listener")
    listener.subscribe("har/+/+/activity", lambda *_: decided.set())
    with listener, tempfile.TemporaryDirectory() as state_dir:
        command = [sys.executable, "-m", "har_stream.commands.stream", "--camera", str(film)]
        command += ["--bundle", str(bundle.path), "--engine", "litert", "--log-level", "error"]
        command += ["--broker", url, "--state-dir", state_dir]
        began = time.perf_counter()
        process = subprocess.Popen(command)  # noqa: S603 - our own module, no shell
        while not decided.wait(POLL_S):
            if process.poll() is not None or time.perf_counter() - began > START_S:
                process.kill()
                raise InputError(f"har-stream decided nothing: {' '.join(command)}")
        startup_s = time.perf_counter() - began
        rss_mb = 0.0
        while process.poll() is None:
            rss_mb = max(rss_mb, _peak_mb(process.pid))
            time.sleep(POLL_S)
    return {"startup_s": startup_s, "rss_mb": rss_mb}


def _peak_mb(pid: int) -> float:
    """The most memory that a process ever held; 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def measure_messages(film: Path, bundle: Bundle, *, url: str) -> dict[str, float]:
    """Play a film at its own speed and publish every decision at once.

    Returns:
        `mqtt_p95_ms`, from the capture of a decision's frame until the message about it arrives.
    """
    arrived_ms: list[float] = []
    topic = "bench/decision"
    listener = _connection(url, "listener")

    def receive(_topic: str, payload: bytes) -> None:
        arrived_ms.append(1000 * (now() - datetime.fromisoformat(payload.decode())).total_seconds())

    listener.subscribe(topic, receive)
    camera = CameraSettings(source=str(film), name="bench")
    pipeline = Pipeline(Recogniser(bundle, hop_frames=1), [camera])
    spec = bundle.manifest.clip
    options = ReadOptions(sample_hz=spec.sample_hz, picture=spec.picture, realtime=True)
    with listener, _connection(url, "speaker") as speaker:
        with Readers([camera], options) as readers:
            for news in pipeline.run(readers):
                if isinstance(news, Recognition):
                    speaker.publish(topic, news.at.isoformat())
        speaker.close()  # waits until all of it has arrived
    return {"mqtt_p95_ms": float(np.quantile(arrived_ms, 0.95))}


def _connection(url: str, name: str) -> Connection:
    return Connection(BrokerSettings(url=url), client_id=f"har-bench-{name}")
