"""A network of machines in one: each in a namespace of its own, which can be cut from a server.

To be used by root in a network namespace of its own (`unshare --net`); all ends with its process.
"""

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = "10.9.0.1"
"""Of whoever uses it."""
DATABASE = "10.9.0.2"
BROKER = "10.9.0.3"
_CLONE_NEWNET = 0x40000000


class MachineNetworks:
    """A bridge, and behind it a namespace for each machine.

    Args:
        machines: Their names.

    Attributes:
        addresses: By machine, its address.
    """

    def __init__(self, machines: Sequence[str]) -> None:
        self.addresses: Mapping[str, str] = {
            name: f"10.9.0.{number}" for number, name in enumerate(machines, 11)
        }
        _ip("link set lo up")
        _ip("link add bridge type bridge")
        for address in (HERE, DATABASE, BROKER):
            _ip(f"address add {address}/24 dev bridge")
        _ip("link set bridge up")
        self._keepers = {name: self._join(name) for name in machines}

    @contextmanager
    def inside(self, machine: str) -> Iterator[None]:
        """What this thread starts within the block is on a machine's network."""
        ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        theirs = os.open(f"/proc/{self._keepers[machine].pid}/ns/net", os.O_RDONLY)
        try:
            _enter(theirs)
            yield
        finally:
            _enter(ours)
            os.close(ours)
            os.close(theirs)

    def cut(self, machine: str, server: str) -> None:
        """Let nothing of a machine arrive at a server: no refusal, no answer."""
        with self.inside(machine):
            _ip(f"route add blackhole {server}/32")

    def heal(self, machine: str, server: str) -> None:
        """End `cut`."""
        with self.inside(machine):
            _ip(f"route del blackhole {server}/32")

    def _join(self, machine: str) -> subprocess.Popen[bytes]:
        own = Path("/proc/self/ns/net").readlink()
        # It ends with us, who hold the other end of its input.
        keeper = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        while Path(f"/proc/{keeper.pid}/ns/net").readlink() == own:
            time.sleep(0.01)
        _ip(f"link add {machine} type veth peer name eth0 netns {keeper.pid}")
        _ip(f"link set {machine} master bridge up")
        self._keepers = {machine: keeper}
        with self.inside(machine):
            _ip("link set lo up")
            _ip(f"address add {self.addresses[machine]}/24 dev eth0")
            _ip("link set eth0 up")
        return keeper


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
