"""What a process takes, and a program of its own run for that: memory needs a process each."""

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


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


_AT_THE_END = """
import atexit, pathlib, re
def _say_peak():
    status = pathlib.Path("/proc/self/status").read_text()
    print("peak kB", re.search(r"VmHWM:\\s+(\\d+)", status)[1])
atexit.register(_say_peak)
"""


def run_python(code: str, *arguments: str) -> Measured:
    """Run Python code in a new process, `sys.argv[1:]` being the arguments."""
    began_s = time.monotonic()
    # Not its rusage: a process begins with the peak of the one that it was forked from.
    run = subprocess.run(
        [sys.executable, "-c", _AT_THE_END + code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wall_s = time.monotonic() - began_s
    output, _, peak_kb = run.stdout.rpartition("peak kB ")
    return Measured(run.returncode, output, wall_s, int(peak_kb or 0) / 1000)


def cpu_s(pid: int) -> float:
    """Seconds of a core that a running process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident_mb(pid: int, kind: str = "VmRSS") -> float:
    """Memory that a running process holds; of `RssAnon` alone what no other may share."""
    return (
        int(re.findall(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) / 1024
    )
