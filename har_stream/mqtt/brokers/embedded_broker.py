"""`har-broker`: a broker for those who run none, Mosquitto where it is installed, else amqtt.

It listens on loopback, asks for no password and keeps nothing on disk. `ensure_broker` starts one
for a command that finds no broker; it is that command's child and ends with it. amqtt comes with
the extra `demo` and speaks MQTT 3.1.1.
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

from har_stream.core.command import CommandParser, port, run_command
from har_stream.core.errors import InputError
from har_stream.mqtt.broker_address import Address, default_address
from har_stream.mqtt.brokers.broker_mosquitto import find_mosquitto, serve_mosquitto

logger = logging.getLogger(__name__)

START_S = 20.0
END_S = 5.0
_LISTENS = "har-broker listens on"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the broker until SIGINT or SIGTERM; returns the exit status."""
    options = make_parser().parse_args(argv)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    # A client that vanishes or speaks MQTT 5 first is everyday life, not worth amqtt's errors.
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    # A parent reads our standard output, and has a line of its own to say an error in.
    with contextlib.redirect_stderr(sys.stdout if options.with_parent else sys.stderr):
        return run_command(
            "har-broker",
            lambda: asyncio.run(_serve(options)),
            is_service=True,
        )


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = CommandParser(
        prog="har-broker",
        description="A broker that keeps nothing, for this machine: Mosquitto where it is "
        "installed, else amqtt. For a home, run Mosquitto as a service.",
    )
    parser.add_argument(
        "--host", default=default_address().host, help="address to listen on (%(default)s)"
    )
    parser.add_argument(
        "--port", type=port, default=default_address().port, help="its port (%(default)s)"
    )
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="end once standard input is closed; say on standard output why it cannot start",
    )
    parser.add_argument(
        "--amqtt", action="store_true", help="take amqtt (MQTT 3.1.1) even where Mosquitto is"
    )
    return parser


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
        except InputError as error:
            if not is_listening(address):
                raise InputError(f"no broker answers on {address}, and {error}") from error
            logger.info("another command has just started a broker, which is used")
        else:
            logger.warning(
                "no broker answers on %s, so one of our own runs there until this command ends",
                address,
            )
        yield


@contextlib.contextmanager
def run_broker(port: int, *, only_amqtt: bool = False) -> Iterator[str]:
    """Run `har-broker` as a child on loopback (port 0: any); yields its URL once it listens.

    Args:
        port: Its port.
        only_amqtt: Mosquitto is not taken where it is installed.

    Raises:
        InputError: It does not start; the line is its own.
    """
    command = [
        sys.executable,
        "-m",
        "har_stream.mqtt.brokers.embedded_broker",
        "--port",
        str(port),
        "--with-parent",
        *(["--amqtt"] if only_amqtt else []),
    ]
    with subprocess.Popen(  # noqa: S603 -- our own module, no shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        said = process.stdout.readline().strip() if process.stdout else ""
        if not said.startswith(_LISTENS):
            raise InputError(said.removeprefix("har-broker: ") or "the broker fails")
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


async def _serve(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, ended.set)
    if options.with_parent:
        loop.add_reader(sys.stdin, ended.set)  # it becomes readable once it is closed
    async with contextlib.AsyncExitStack() as stack:
        serving = _choose_broker(options, ended)
        try:
            port = await stack.enter_async_context(serving)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"{options.host}:{options.port}: cannot listen: {error}; "
                "give another --port, or use the broker there"
            ) from error
        print(f"{_LISTENS} mqtt://{options.host}:{port}", flush=True)
        await ended.wait()


def _choose_broker(
    options: argparse.Namespace, ended: asyncio.Event
) -> contextlib.AbstractAsyncContextManager[int]:
    mosquitto = None if options.amqtt else find_mosquitto()
    if mosquitto is not None:
        return serve_mosquitto(mosquitto, options.host, options.port, ended=ended)
    # Imported late: amqtt takes a while to load, and is there only with the extra `demo`.
    try:
        from har_stream.mqtt.brokers.broker_amqtt import serve_amqtt
    except ModuleNotFoundError as error:
        raise InputError(
            "no broker is installed: apt-get install mosquitto, or pip install 'har-stream[demo]'"
        ) from error
    return serve_amqtt(options.host, options.port)


if __name__ == "__main__":
    sys.exit(main())
