"""Fitting: a log is lived through once, session by session, as it would have been live."""

from collections.abc import Iterator, Sequence
from datetime import date

from predictor.models.online import Forecaster
from predictor.outlook import Observation
from predictor.sessions import Session


def replay(forecaster: Forecaster, sessions: Sequence[Session]) -> Iterator[int]:
    """Let a forecaster live through sessions; yields how many it has seen, for a progress bar.

    It is refitted each night, before the first session of the next day.
    """
    for number, session in enumerate(refit_nightly(forecaster, sessions)):
        forecaster.observe(Observation(session.activity, session.started_at, session.room))
        following = sessions[number + 1 : number + 2]
        # Sessions may overlap: what lasts beyond the next one's start ends for us with it.
        forecaster.end(min([session.ended_at, *(each.started_at for each in following)]))
        yield number + 1
    forecaster.refit()


def refit_nightly(forecaster: Forecaster, sessions: Sequence[Session]) -> Iterator[Session]:
    """Yield sessions in their order; before the first of each day the forecaster is refitted."""
    day: date | None = None
    for session in sessions:
        if session.started_at.date() != day:
            forecaster.refit()
            day = session.started_at.date()
        yield session
