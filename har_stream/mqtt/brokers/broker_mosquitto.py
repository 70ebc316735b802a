"""Mosquitto as our own child: nothing on disk, nobody asked for a password, ended with us."""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from typing import IO

from har_stream.core.errors import InputError

START_S = 10.0
END_S = 3.0
POLL_S = 0.02
MAX_PACKET_BYTES = 1_000_000
"""Whoever sends a larger one is hung up on, by either broker: it would be kept, up to 256 MB."""
_SBIN = ("/usr/sbin", "/usr/local/sbin")
"""Distributions put it there, where not everybody's PATH leads."""


def find_mosquitto() -> str | None:
    """Where the program is; none where it is not installed."""
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN]))


@contextlib.asynccontextmanager
async def serve_mosquitto(
    program: str, host: str, port: int, *, ended: asyncio.Event
) -> AsyncIterator[int]:
    """Run Mosquitto for the length of a block; yields its port once it listens.

    Args:
        program: Where it is.
        host: Address to listen on.
        port: Its port; 0 for any.
        ended: Set where it ends by itself.

    Raises:
        OSError: The port is taken, or the address is not ours.
        InputError: It does not start, or has ended by itself.
    """
    port = _check_port(host, port)
    # From standard input, so that no file is left behind whatever happens to us.
    config = (
        f"listener {port} {host}\nallow_anonymous true\nmax_packet_size {MAX_PACKET_BYTES}\n"
        "log_dest stderr\nlog_type error\n"
    )
    with tempfile.TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *(program, "-c", "/dev/stdin"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C ends us, and we end it
        )
        end = asyncio.create_task(process.communicate(config.encode()))
        try:
            if not await _is_soon_listening(host, port, process):
                raise _failure(program, said)
            end.add_done_callback(lambda _: ended.set())
            yield port
            if process.returncode is not None:
                raise _failure(program, said)
        finally:
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                process.terminate()
                await asyncio.wait_for(asyncio.shield(end), END_S)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await end


def _check_port(host: str, port: int) -> int:
    """Bind to a port and let it go: who may not is told so in the same words by any broker."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as probe:
        return int(probe.getsockname()[1])


async def _is_soon_listening(host: str, port: int, process: asyncio.subprocess.Process) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    return True
                await asyncio.sleep(POLL_S)
    return False


def _failure(program: str, said: IO[bytes]) -> InputError:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines() or ["no word of why"]
    # Its lines begin with the seconds since 1970.
    return InputError(f"{program} has ended: {lines[-1].lstrip('0123456789').lstrip(': ')}")
