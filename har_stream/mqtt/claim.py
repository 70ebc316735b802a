"""Refuses a node name under which another process is at work; a stale `online` does not count."""

import threading
import uuid

from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from har_stream.mqtt.connection import ONLINE, Connection
from har_stream.mqtt.messages import BridgeRequest, BridgeResponse
from har_stream.mqtt.topics import Topics

ANSWER_S = 2.0


def claim_node(settings: Settings) -> None:
    """Refuse the node's name where another process answers to it.

    After a power cut `online` may lie on the broker though nobody is there, so only the answer to a
    health check counts. Where no broker answers yet, nothing is refused.

    Raises:
        InputError: Another process with this node name is at work.
    """
    topics = Topics(settings.base_topic)
    request = BridgeRequest(transaction=f"claim-{uuid.uuid4()}")
    said_online, heard_own, answered = (threading.Event() for _ in range(3))

    def hear_availability(_topic: str, payload: bytes) -> None:
        if payload == ONLINE.encode():
            said_online.set()

    def hear_request(_topic: str, payload: bytes) -> None:
        if BridgeRequest.decode(payload).transaction == request.transaction:
            heard_own.set()

    def hear_answer(_topic: str, payload: bytes) -> None:
        if BridgeResponse.decode(payload).transaction == request.transaction:
            answered.set()

    asked = topics.node(settings.node, "bridge", "request", "health_check")
    # An id of its own: with the node's, it would cut the other one off.
    connection = Connection(settings.broker, client_id=f"har-claim-{uuid.uuid4().hex[:12]}")
    connection.subscribe(topics.node(settings.node, "availability"), hear_availability)
    connection.subscribe(asked, hear_request)
    connection.subscribe(
        topics.node(settings.node, "bridge", "response", "health_check"), hear_answer
    )
    connection.on_connected(lambda: connection.publish(asked, request))
    try:
        connection.start(fail_fast=True)
    except InputError:
        return  # the connection proper meets the same and says so
    try:
        heard_own.wait(ANSWER_S)  # what was retained has come before it
        if said_online.is_set() and answered.wait(ANSWER_S):
            raise InputError(
                f"node {settings.node!r} is already at work on broker {connection.address}; stop "
                "that har-stream, or give this one another name with --node"
            )
    finally:
        connection.close()
