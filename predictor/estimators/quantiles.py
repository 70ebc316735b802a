"""A discrete distribution of a time: its quantiles, and how honest they are."""

from dataclasses import dataclass

import numpy as np

from predictor.estimators.filtering import Array

QUANTILES = (0.1, 0.5, 0.9)
_SHARES = np.array(QUANTILES)


@dataclass(slots=True)
class TimeDistribution:
    """A discrete distribution of a time.

    Attributes:
        values_s: Ascending, in seconds, shape (values,).
        cumulative: Weight up to each value, its own by half, shape (values,).
    """

    values_s: Array
    cumulative: Array

    def quantile(self, probability: float) -> float:
        """Return the value that is exceeded with 1 - `probability`."""
        return float(np.interp(probability, self.cumulative, self.values_s))

    def covers(self, seconds: float) -> bool:
        """Tell whether a time lies between P10 and P90."""
        return self.quantile(0.1) <= seconds <= self.quantile(0.9)

    def widened(self, power: float) -> "TimeDistribution":
        """Return the distribution with all distances from the median, in logarithms, scaled.

        They are whole milliseconds: what always takes a minute takes not a hair more or less.
        """
        median = self.quantile(0.5) + 1.0
        values = np.expm1(np.log(median) + power * np.log((self.values_s + 1.0) / median))
        return TimeDistribution(np.round(np.maximum(values, 0.0), 3), self.cumulative)


def distribution_of(values_s: Array, weights: Array) -> TimeDistribution:
    """Return the distribution of weighted values in any order; some weight must be positive."""
    order = np.argsort(values_s)
    mass = weights[order]
    return TimeDistribution(values_s[order], (np.cumsum(mass) - 0.5 * mass) / mass.sum())


def pinball_losses(values_s: Array, weights: Array, seconds: float) -> Array:
    """Return the pinball loss of P10, P50 and P90 at what happened, for several weightings.

    Args:
        values_s: In any order, shape (values,).
        weights: Shape (weightings, values); rows sum to one.
        seconds: What happened.

    Returns:
        The sum over the three quantiles, in seconds, shape (weightings,).
    """
    order = np.argsort(values_s)
    mass, ascending = weights[:, order], values_s[order]
    cumulative = np.cumsum(mass, axis=1) - 0.5 * mass
    excess = seconds - np.array([np.interp(_SHARES, row, ascending) for row in cumulative])
    losses: Array = np.maximum(_SHARES * excess, (_SHARES - 1.0) * excess).sum(axis=1)
    return losses
