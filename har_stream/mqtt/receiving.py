"""Between the network thread and a handler: no message, however odd, may end the thread."""

import logging
from collections.abc import Callable

import paho.mqtt.client as paho

from har_stream.core.log_once import LogOnce
from har_stream.mqtt.messages import MessageError

logger = logging.getLogger(__name__)

Handler = Callable[[str, bytes], None]
"""Takes a topic and a payload; raises `MessageError` where the payload makes no sense."""
MAX_PAYLOAD_BYTES = 256 * 1024


class Receiver:
    """Calls one handler; a message for which it raises is skipped and counted, and said once.

    Attributes:
        n_malformed: How many messages were skipped.
    """

    def __init__(self, topic_filter: str, handler: Handler, once: LogOnce) -> None:
        self.n_malformed = 0
        self._topic_filter = topic_filter
        self._handler = handler
        self._once = once

    def __call__(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        """Take a message from paho."""
        try:
            if len(message.payload) > MAX_PAYLOAD_BYTES:
                raise MessageError(f"{len(message.payload)} bytes are too many")
            self._handler(message.topic, bytes(message.payload))
        except MessageError as error:
            self.n_malformed += 1
            # Quoted and cut: a stranger wrote it.
            text = f"skipped a malformed message on {message.topic[:100]!r}: {str(error)[:200]!r}"
            self._once.warn((self._topic_filter, MessageError), f"{text}; the next ones silently")
        except Exception as error:
            self.n_malformed += 1
            if self._once.is_news((self._topic_filter, type(error))):
                logger.exception("a message on %.100r could not be handled", message.topic)
