"""`har-broker`: an embedded MQTT broker for those who have none (amqtt; it speaks MQTT 3.1.1).

It listens on loopback, asks for no password and keeps nothing on disk. `ensure_broker` starts one
for a command that finds no broker; it is that command's child and ends with it.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

from har_stream.core.command import run_command
from har_stream.core.errors import InputError
from har_stream.mqtt.broker_address import Address, default_address

logger = logging.getLogger(__name__)

START_S = 20.0
END_S = 5.0
_LISTENS = "har-broker listens on"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the broker until SIGINT or SIGTERM; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="har-broker",
        description="A small MQTT broker (3.1.1) for this machine; for a home, prefer Mosquitto.",
    )
    parser.add_argument(
        "--host", default=default_address().host, help="address to listen on (%(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=default_address().port, help="its port (%(default)s)"
    )
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="end once standard input is closed; say on standard output why it cannot start",
    )
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    # A client that vanishes or speaks MQTT 5 first is everyday life, not worth amqtt's errors.
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    # A parent reads our standard output, and has a line of its own to say an error in.
    with contextlib.redirect_stderr(sys.stdout if options.with_parent else sys.stderr):
        return run_command(
            "har-broker",
            lambda: asyncio.run(
                _serve(options.host, options.port, with_parent=options.with_parent)
            ),
            is_service=True,
        )


@contextlib.contextmanager
def ensure_broker(url: str | None) -> Iterator[None]:
    """Have a broker for the length of a block: the one that answers, else one of our own.

    Only where no URL is given is one started, at `default_address`, with a warning. It is a process
    of its own and ends with the block, or with this process, however that ends. Of several commands
    that start at once, one has it and the others use it.

    Raises:
        InputError: It does not start.
    """
    address = default_address()
    if url is not None or is_listening(address):
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(run_broker(address.port))
        except InputError:
            if not is_listening(address):
                raise
            logger.info("another command has just started a broker, which is used")
        else:
            logger.warning(
                "no broker answers on %s:%s, so an embedded one runs there until this command ends",
                address.host,
                address.port,
            )
        yield


@contextlib.contextmanager
def run_broker(port: int) -> Iterator[str]:
    """Run `har-broker` as a child on loopback (port 0: any); yields its URL once it listens.

    Raises:
        InputError: It does not start; the line is its own.
    """
    command = [
        sys.executable,
        "-m",
        "har_stream.mqtt.embedded_broker",
        "--port",
        str(port),
        "--with-parent",
    ]
    with subprocess.Popen(  # noqa: S603 -- our own module, no shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        said = process.stdout.readline().strip() if process.stdout else ""
        if not said.startswith(_LISTENS):
            raise InputError(said.removeprefix("har-broker: ") or "the embedded broker fails")
        try:
            yield said.removeprefix(_LISTENS).strip()
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            process.kill()


def is_listening(address: Address) -> bool:
    """Tell whether somebody listens there."""
    try:
        with socket.create_connection((address.host, address.port), timeout=1.0):
            return True
    except OSError:
        return False


async def _serve(host: str, port: int, *, with_parent: bool) -> None:
    # Imported late: amqtt takes a while to load, and only the broker's own process needs it.
    from har_stream.mqtt.broker_amqtt import EmbeddedBroker

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, ended.set)
    if with_parent:
        loop.add_reader(sys.stdin, ended.set)  # it becomes readable once it is closed
    broker = EmbeddedBroker()
    try:
        server = await broker.start(host, port)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"{host}:{port}: cannot listen: {error}; give another --port, or use the broker there"
        ) from error
    print(f"{_LISTENS} mqtt://{host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    server.close()
    await broker.close()


if __name__ == "__main__":
    sys.exit(main())
