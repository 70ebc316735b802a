"""Many cameras in one `har-stream`, each in its own time: memory and threads stay level."""

import re
from pathlib import Path

import pytest
from support.broker.real_broker import Mosquitto, listening
from support.processes.stream_process import shipped_bundle, start_har_stream, write_video

from har_stream.mqtt.messages import NodeStats

FPS = 2.0
STATS = "har/n1/stats"
STATS_S, FIRST_STATS_S = 60, 10
GROWTH_MB = 50


def _used(pid: int) -> tuple[float, int]:
    """Resident MB and threads."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident_kb, n_threads = (
        int(re.findall(rf"{key}:\s+(\d+)", status)[0]) for key in ("VmRSS", "Threads")
    )
    return resident_kb / 1000, n_threads


@pytest.mark.parametrize(
    ("n_cameras", "seconds"),
    [(20, 12), pytest.param(200, 600, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_many_cameras(mosquitto: Mosquitto, tmp_path: Path, n_cameras: int, seconds: int) -> None:
    video = write_video(tmp_path / "video.mp4", int(seconds * FPS * 3), fps=FPS)
    cameras = "".join(f"- {{source: {video}, name: cam{n}}}\n" for n in range(n_cameras))
    config = tmp_path / "har-stream.yaml"
    config.write_text(f"node: n1\ncameras:\n{cameras}")
    process = start_har_stream(
        *("--config", config, "--broker", mosquitto.url, "--engine", "litert", "--realtime"),
        *("--state-dir", tmp_path / "state", "--bundle", shipped_bundle()),
    )
    used: list[tuple[float, int]] = []
    with listening(mosquitto.port, STATS, "har/n1/+/activity") as listener:
        n_stats = 1 + (seconds - FIRST_STATS_S) // STATS_S
        for n in range(1, n_stats + 1):
            listener.wait_for(lambda _, n=n: len(listener.on(STATS)) >= n, timeout_s=120)
            used.append(_used(process.pid))
        listener.wait_for(
            lambda came: len({each.topic for each in came} - {STATS}) == n_cameras, timeout_s=120
        )
        stats = NodeStats.decode(listener.on(STATS)[-1])
    process.terminate()
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert "Traceback" not in log
    settled_mb, n_threads = used[min(1, len(used) - 1)]
    print(
        f"\n{n_cameras} cameras: {settled_mb:.0f} MB and {n_threads} threads, after {seconds} s "
        f"{used[-1][0]:.0f} MB and {used[-1][1]} threads; {stats.processed} decisions, median "
        f"{stats.latency_p50_ms:.0f} ms"
    )
    assert used[-1][0] - settled_mb < GROWTH_MB
    assert used[-1][1] <= n_threads
