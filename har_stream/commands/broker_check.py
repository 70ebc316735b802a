"""Tries the broker once: is it there, may we write, and does anybody listen for discovery?"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from har_stream.commands.finding import Finding
from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from har_stream.homeassistant.discovery import BIRTH_TOPIC
from har_stream.mqtt import broker
from har_stream.mqtt import probe as audience
from har_stream.mqtt.connection import ONLINE, Connection
from har_stream.mqtt.topics import Topics

ANSWER_S = 5.0
FORBIDDEN = 128
"""MQTT 5 reason codes from here on are failures."""


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Publish below ``<base>/<node>/`` and hear it again; then ask who listens for discovery."""
    prefix = settings.discovery.prefix
    probe = Topics(settings.base_topic).node(settings.node, f"check-{uuid.uuid4().hex}")
    root = probe.rpartition("/")[0]
    said_online, answered = threading.Event(), threading.Event()
    answers: list[bool] = []

    def hear_birth(_topic: str, payload: bytes) -> None:
        if payload == ONLINE.encode():
            said_online.set()

    def hear_probe(_topic: str, _payload: bytes) -> None:
        answers.append(True)
        answered.set()

    def note(taken: bool) -> None:
        if not taken:  # where it is, only its coming back shows that we may read there too
            answers.append(False)
            answered.set()

    with ExitStack() as stack:
        is_own = _brings_its_own(settings.broker.url)
        try:
            stack.enter_context(broker.ensure_broker(settings.broker.url))
            connection = Connection(settings.broker, client_id=f"har-check-{uuid.uuid4().hex[:12]}")
            connection.subscribe(f"{prefix}/{BIRTH_TOPIC}", hear_birth)
            connection.subscribe(probe, hear_probe)
            connection.on_connected(lambda: connection.publish(probe, "", on_sent=note))
            stack.callback(connection.close)
            connection.start(fail_fast=True)
        except InputError as error:
            yield Finding.of("mqtt", error, remedy="see the broker's log")
            return
        answered.wait(ANSWER_S)
        name = f"{'embedded ' if is_own else ''}broker {connection.address}"
        yield judge_broker(name, root, answers=answers, is_own=is_own)
        if not settings.discovery.enabled:
            yield Finding("discovery", True, "switched off (discovery.enabled)")
            return
        yield judge_discovery(
            prefix,
            # Where discovery speaks; an empty payload announces and removes nothing.
            answer=audience.ask(settings.broker, f"{prefix}/sensor/{settings.node}/check/config"),
            said_online=said_online.is_set(),
        )


def _brings_its_own(url: str | None) -> bool:
    return url is None and not broker.answers(broker.DEFAULT_HOST, broker.DEFAULT_PORT)


def judge_broker(name: str, root: str, *, answers: Sequence[bool], is_own: bool) -> Finding:
    """Say whether we may speak there.

    Args:
        name: The broker's.
        root: Below which we publish.
        answers: True: what we published came back; false: it was refused; empty: neither.
        is_own: Whether it is the embedded one, started for want of another.
    """
    if True in answers:
        remedy = "it ends with har-stream; for a home, run Mosquitto" if is_own else ""
        text = f"{name} takes and delivers what is published below {root}/"
        return Finding("mqtt", True, text, remedy)
    remedy = f"its access list must allow this user to read and write {root.split('/')[0]}/#"
    fault = "forbids publishing" if answers else "does not deliver to us what we publish"
    return Finding("mqtt", False, f"{name} {fault} below {root}/", remedy)


def judge_discovery(prefix: str, *, answer: int | None, said_online: bool) -> Finding:
    """Say whether Home Assistant would find us.

    Args:
        prefix: Below which we announce.
        answer: From `audience.ask`.
        said_online: Whether a retained ``online`` lies on ``<prefix>/status``; Home Assistant
            retains it only where it is told to.
    """
    remedy = (
        "point Home Assistant's MQTT integration at this broker with this discovery prefix, or "
        "set discovery.enabled: false"
    )
    if answer is not None and answer >= FORBIDDEN:
        remedy = f"its access list must allow this user to write {prefix}/#"
        text = f"the broker forbids publishing below {prefix}/"
        return Finding("discovery", False, text, remedy)
    if said_online or answer == 0:
        return Finding("discovery", True, f"somebody listens below {prefix}/")
    if answer is None:
        text = f"this broker cannot tell whether anybody listens below {prefix}/ (MQTT 3.1.1)"
        return Finding("discovery", True, text, "if entities do not appear, " + remedy)
    return Finding("discovery", False, f"nobody listens below {prefix}/", remedy)
