"""How far out something must lie to be told: so that a home's own past had few false alarms.

Each kind keeps the least probability of every past day. How many days fall below a bound grows in
proportion to it, as probabilities do where they are honest; the slope is read off the lowest few. A
life that is less regular than that is told of too often: each day beyond the budget, told or only
rehearsed, makes the bound ten times as low until the budget allows for it (as in adaptive conformal
inference; Gibbs and Candes 2021).
"""

from collections import deque
from dataclasses import dataclass, field

N_CALIBRATED = 180
"""Newest days that count."""
N_LOWEST = 3
"""Lowest days that tell how fast their number grows with the bound."""
DAYS_PER_MONTH = 30.0
HIGHEST = 0.05
"""What happens once in twenty times is not unusual, however quiet the past was."""


@dataclass(slots=True)
class Budget:
    """The bound for one kind of finding.

    Attributes:
        per_month: False alarms a month that it may cause.
        lowest: The least probability of each past day, the newest last.
        bound: The probability below which it is told.
        excess: Days told beyond the budget, by the bounds that were in force.
    """

    per_month: float
    lowest: deque[float] = field(default_factory=lambda: deque(maxlen=N_CALIBRATED))
    bound: float = 0.0
    excess: float = 0.0

    def add(self, probability: float) -> None:
        """Take in the least probability of a day that is over."""
        was_told = probability < self.bound
        self.excess = max(0.0, self.excess + was_told - self.per_month / DAYS_PER_MONTH)
        self.lowest.append(probability)
        allowed = self.per_month * len(self.lowest) / DAYS_PER_MONTH
        n_lowest = min(max(N_LOWEST, round(allowed)), len(self.lowest))
        slope = sorted(self.lowest)[n_lowest - 1] / n_lowest
        self.bound = min(allowed * slope, HIGHEST) * 10.0**-self.excess

    def told(self) -> list[bool]:
        """Return for each past day whether it would have told something, by the present bound."""
        return [each < self.bound for each in self.lowest]
