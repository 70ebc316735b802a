"""Machines without processes: lots answer, die, freeze and come back as a test says."""

from collections.abc import Collection, Mapping

from fleet.cluster.supervisor import Answer
from fleet.lots.lot import LotStatus

WELL = Answer(LotStatus(n_cameras=1, has_decided=True))
UNDECIDED = Answer(LotStatus(n_cameras=1))
CAPACITIES = {"m1": 6, "m2": 6, "m3": 6}


class Machines:
    """Lots on machines that die, freeze and come back as the test says."""

    def __init__(self) -> None:
        self.there = dict.fromkeys(CAPACITIES, True)
        self.frozen: set[str] = set()
        self.running: dict[str, str] = {}
        self.started: list[tuple[str, str]] = []
        self.ends: dict[str, str] = {}
        self.stuck: set[str] = set()
        self.mute: set[str] = set()
        self.undecided: set[str] = set()

    def machines(self) -> Collection[str]:
        """Those that are there; a frozen one still is, for some time."""
        return [name for name, there in self.there.items() if there]

    def start(self, lot: str, machine: str) -> None:
        """Start it; it answers from now on."""
        assert lot not in self.running, "never twice, as far as anybody can know"
        assert self.there[machine]
        self.running[lot] = machine
        self.started.append((lot, machine))

    def answers(self) -> Mapping[str, Answer]:
        """All that run on machines that are there and not frozen, and those that ended."""
        said = {
            lot: UNDECIDED if lot in self.undecided else WELL
            for lot, machine in self.running.items()
            if self.there[machine] and machine not in self.frozen and lot not in self.mute
        }
        ended = {lot: Answer(None, error) for lot, error in self.ends.items()}
        self.ends.clear()
        return said | ended

    def leave(self, lot: str) -> None:
        """It ends at once, unless it is stuck."""
        if lot not in self.stuck:
            self.ends[lot] = ""

    def kill(self, lot: str) -> None:
        """It is gone."""
        self.running.pop(lot, None)
