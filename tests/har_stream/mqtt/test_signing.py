"""A signature shows who said what, survives the wire, and is the documented one."""

import hashlib
import hmac
import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.event_builder import event

from har_stream.config.secret_file import read_key, read_own_key
from har_stream.core.errors import InputError
from har_stream.mqtt.messages import ActivityEvent, ActivityState
from har_stream.mqtt.signing import SignatureCheck, sign

KEY = b"0123456789abcdef0123456789abcdef"
CHECK = SignatureCheck({"n1": KEY})


def _passes(message: ActivityEvent | ActivityState, *, node: str = "n1") -> bool:
    return CHECK.passes(message, node=node, camera="cam1")


@given(
    confidence=st.floats(0, 1),
    activity=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    probabilities=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.floats(0, 1), max_size=3
    ),
    at=st.datetimes(
        datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.timezones(), allow_imaginary=False
    ),
)
def test_a_signature_survives_the_wire(
    confidence: float, activity: str, probabilities: dict[str, float], at: datetime
) -> None:
    said = event(
        activity=activity, confidence=confidence, probabilities=probabilities, started_at=at
    )
    arrived = ActivityEvent.decode(sign(said, KEY, node="n1", camera="cam1").encode())
    assert _passes(arrived)
    assert not _passes(arrived.model_copy(update={"seq": 2}))


def test_a_state_is_signed_for_its_camera() -> None:
    now = event().started_at
    state = ActivityState(activity="cooking", confidence=0.9, since=now, at=now)
    signed = ActivityState.decode(sign(state, KEY, node="n1", camera="cam1").encode())
    assert _passes(signed)
    assert not CHECK.passes(signed, node="n1", camera="cam2")
    assert not _passes(state)


def test_anybody_can_reckon_it_as_the_documentation_says() -> None:
    signed = sign(event(activity="K\u00fcche"), KEY, node="n1", camera="cam1")
    content = json.loads(signed.encode())
    signature = content.pop("signature")
    present = {name: value for name, value in content.items() if value is not None}
    text = json.dumps(present, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest() == signature


def test_without_a_key_nothing_changes_and_all_is_believed() -> None:
    said = event()
    assert sign(said, None, node="n1", camera="cam1") == said
    assert SignatureCheck({}).passes(said, node="n1", camera="cam1")


def test_a_key_comes_from_a_private_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        read_key(path)
    path.chmod(0o600)
    assert read_key(path) == read_own_key(path) == KEY
    path.write_text("guessable")
    with pytest.raises(InputError, match="openssl rand -hex 32") as refused:
        read_key(path)
    assert "guessable" not in str(refused.value)
    assert read_own_key(None) is None
    monkeypatch.setenv("HAR_SIGNING_KEY", KEY.decode())
    assert read_own_key(None) == KEY
