"""What a partition is told when it starts, and what it says of itself."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from har_stream.config.settings import Settings


class PartitionTask(BaseModel):
    """What a partition is told.

    Attributes:
        partition: Its name, which is its login too.
        homes: By home, its cameras as pairs of lot and name.
        settings: Of all its homes; which home, each is told for itself.
        database: URL of the fleet's database.
    """

    model_config = ConfigDict(frozen=True)

    partition: str
    homes: Mapping[str, tuple[tuple[str, str], ...]]
    settings: Settings
    database: str


class PartitionStatus(BaseModel):
    """How a partition fares.

    Attributes:
        n_homes: How many it has.
        n_forecasting: How many of them are forecast for.
        n_learning: How many learn from their journals, for want of a snapshot.
        late_s: The longest that a forecast of the last minute came after it was due.
        n_refused: Messages of homes or cameras that are not its own, or that made no sense.
    """

    model_config = ConfigDict(frozen=True)

    n_homes: int
    n_forecasting: int = 0
    n_learning: int = 0
    late_s: float = 0.0
    n_refused: int = 0
