"""A real node goes from pictures of 64 pixels to a bundle that follows people, and back."""

from pathlib import Path

import pytest
from support.broker.real_broker import Listener, Mosquitto, listening
from support.processes.stream_process import shipped_bundle, start_har_stream
from support.repository import ENVIRONMENT

from har_stream.bundles import weights
from har_stream.mqtt.messages import ActivityEvent, FallState
from har_stream.mqtt.requests import BridgeRequest, BridgeResponse

FILM = "data/home/Subject_3/ADL/15.mp4"


def use(listener: Listener, bundle: str) -> BridgeResponse:
    """Ask the node for another bundle; returns its answer."""
    request, answer = (f"har/n1/bridge/{kind}/use_bundle" for kind in ("request", "response"))
    n_before = len(listener.on(answer))
    listener.publish(request, BridgeRequest(bundle=bundle, transaction=bundle).encode())
    listener.wait_for(lambda _: len(listener.on(answer)) > n_before, timeout_s=60)
    return BridgeResponse.decode(listener.on(answer)[-1])


@pytest.mark.slow
def test_a_node_goes_to_a_bundle_that_reads_frames_another_way_and_back(
    mosquitto: Mosquitto, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, weights.ENVIRONMENT, str(shared / "weights"))
    monkeypatch.setenv(weights.ENVIRONMENT, str(shared / "weights"))
    films = tmp_path / "films"
    films.mkdir()
    for n in range(30):
        (films / f"{n:02}.mp4").symlink_to(shared / FILM)
    with listening(mosquitto.port, "har/n1/#") as listener:
        process = start_har_stream(
            *("--camera", f"cam1={films}", "--realtime", "--bundle", shipped_bundle()),
            *("--node", "n1", "--home", "h1", "--broker", mosquitto.url),
            *("--state-dir", tmp_path / "state", "--record-events", tmp_path / "events.jsonl"),
        )
        try:
            attributes = "har/n1/cam1/activity/attributes"
            listener.wait_for(lambda _: listener.on(attributes), timeout_s=60)
            assert not listener.on("har/n1/cam1/fall"), "it watches for no falls"
            assert use(listener, "home").status == "ok"
            listener.wait_for(
                lambda _: b'"bundle":"home"' in listener.on(attributes)[-1], timeout_s=60
            )
            assert not FallState.decode(listener.on("har/n1/cam1/fall")[-1]).alarm
            listener.wait_for(
                lambda _: any(b'"walking"' in each for each in listener.on("har/n1/cam1/event")),
                timeout_s=120,
            )
            assert use(listener, shipped_bundle().name).status == "ok"
            listener.wait_for(lambda _: listener.on("har/n1/cam1/fall")[-1] == b"", timeout_s=20)
        finally:
            process.terminate()
            said = process.communicate(timeout=30)[1]
        assert process.returncode == 0, said
    kept = (tmp_path / "events.jsonl").read_bytes().splitlines()
    seqs = [ActivityEvent.decode(line).seq for line in kept]
    assert seqs == list(range(1, len(seqs) + 1)), "none is lost"
