"""amqtt, with MQTT 5 clients refused at once.

amqtt speaks 3.1.1 only and reads a CONNECT of version 5 as one of its own: it looks for the will in
the wrong place and waits for ever. So each connection's version is read first, and another one is
refused as the standard says (3.2.2.3), so that clients fall back without delay.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker

from har_stream.mqtt.brokers.broker_mosquitto import MAX_PACKET_BYTES

CONNECT_S = 10.0
_CONNECT = 0x10
_V311 = 4
_LISTENER = "default"
_REFUSED_VERSION = bytes([0x20, 2, 0, 1])
_ANONYMOUS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


@contextlib.asynccontextmanager
async def serve_amqtt(host: str, port: int) -> AsyncIterator[int]:
    """Run amqtt for the length of a block, everything in memory; yields its port (0: any).

    Raises:
        OSError: The port is taken, or the address is not ours.
    """
    broker = Broker({"listeners": {_LISTENER: {"type": "external"}}, "plugins": dict(_ANONYMOUS)})

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(_read_head(reader), CONNECT_S)
            if head[0] == _CONNECT and head[-1] > _V311:
                writer.write(_REFUSED_VERSION)
                await writer.drain()
            elif head[0] == _CONNECT:
                await broker.external_connected(
                    _ReaderAfterHead(reader, head), StreamWriterAdapter(writer), _LISTENER
                )
        except (OSError, EOFError, TimeoutError):
            pass  # the client is gone
        finally:
            writer.close()

    server = await asyncio.start_server(accept, host, port)
    await broker.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await broker.shutdown()


class _ReaderAfterHead(StreamReaderAdapter):  # type: ignore[misc]  # amqtt has no types
    """A stream whose first bytes are read again, and whose packets are not huge."""

    def __init__(self, reader: asyncio.StreamReader, head: bytes) -> None:
        super().__init__(reader)
        self._head = head

    async def read(self, n: int = -1) -> bytes:
        if n > MAX_PACKET_BYTES:
            raise ConnectionAbortedError(f"a packet of {n} bytes")
        if not self._head:
            return bytes(await super().read(n))
        end = len(self._head) if n < 0 else n
        taken, self._head = self._head[:end], self._head[end:]
        if 0 <= n == len(taken):
            return taken
        return taken + bytes(await super().read(n - len(taken) if n > 0 else n))


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    """Read up to the protocol level: type, remaining length (1-4 bytes), name, level."""
    head = await reader.readexactly(2)
    while head[-1] & 0x80 and len(head) < 5:
        head += await reader.readexactly(1)
    head += await reader.readexactly(2)
    return head + await reader.readexactly(min(head[-1], 6) + 1)
