"""Two residents of a simulated home: a forecaster told of two beside one that supposes one.

`python benchmarks/residents.py` prints the table of docs/forecasting.md: `train-hmm evaluate LOG
--residents 2`, over homes. Both live in one flat, each with habits and a bed of their own.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from itertools import product
from zoneinfo import ZoneInfo

from har_stream.core.activity import IDLE
from har_stream.simulation.truth import truth
from predictor.evaluation.residents import RoomScores, judge_log
from predictor.sessions import Session
from training.evaluation.simulated_home import drop_brief_stays

FIRST_DAY = datetime(2026, 1, 5, tzinfo=ZoneInfo("Europe/Berlin"))
BRIEF_S = 60.0
"""What is over sooner no camera reports."""


def live_together(home: int, n_days: int) -> list[Session]:
    """Return what two residents of a flat do, each with a bedroom of their own."""
    sessions = [
        Session(stay.activity, stay.started_at, stay.ended_at, stay.room)
        for resident in range(2)
        for stay in drop_brief_stays(
            truth(home, start_at=FIRST_DAY, days=n_days, resident=resident), at_least_s=BRIEF_S
        )
        if stay.activity != IDLE
    ]
    return sorted(sessions, key=lambda session: session.started_at)


def _run(job: tuple[int, float, int, int, str]) -> tuple[float, int, RoomScores]:
    home, noise, n_residents, n_days, model = job
    sessions = live_together(home, n_days)
    verdict = judge_log(sessions, n_residents, model=model, noise=noise, seed=home)
    return noise, n_residents, verdict


def rows(verdicts: Mapping[tuple[float, int], RoomScores]) -> Iterator[str]:
    """Yield the table."""
    yield "| wrong labels | supposed residents | right, of occupied rooms | of empty rooms | next |"
    yield "|---|---|---|---|---|"
    for (noise, n_residents), verdict in sorted(verdicts.items()):
        found = verdict.figures()
        yield (
            f"| {noise:.0%} | {n_residents} | {found['occupied_rooms']:.1%} "
            f"| {found['empty_rooms']:.1%} "
            f"| {found['log_loss']:.2f} nats, {found['top1']:.0%} of {found['n']} |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1, 0.2])
    parser.add_argument("--model", choices=("hmm", "dbn"), default="dbn")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    jobs = [
        (home, noise, n_residents, options.days, options.model)
        for home, noise, n_residents in product(options.homes, options.noise, (1, 2))
    ]
    verdicts: defaultdict[tuple[float, int], RoomScores] = defaultdict(RoomScores)
    with ProcessPoolExecutor(options.workers) as pool:
        for noise, n_residents, verdict in pool.map(_run, jobs):
            verdicts[noise, n_residents] += verdict
    print(*rows(verdicts), sep="\n")


if __name__ == "__main__":
    main()
