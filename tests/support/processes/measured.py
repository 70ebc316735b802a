"""Runs a program of its own and says what it took: tests of memory need a process each."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process said and took.

    Attributes:
        status: Its exit status; negative where a signal ended it.
        output: What it wrote, standard output and error together.
        wall_s: Seconds from its start to its end.
        peak_mb: The most memory that it ever had, resident, in MB.
    """

    status: int
    output: str
    wall_s: float
    peak_mb: float


def run_python(code: str, *arguments: str) -> Measured:
    """Run Python code in a new process, `sys.argv[1:]` being the arguments."""
    began_s = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.monotonic() - began_s
    return Measured(process.returncode, output, wall_s, usage.ru_maxrss / 1000)
