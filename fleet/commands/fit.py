"""`har-fleet fit`: a training run, or a sweep of them, whose networks all machines fit."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from har_stream.config.state_dir import clip_cache
from training.commands import train_har
from training.commands.fit_runs import runs_of_fit

PREFIXES = ("KERAS_", "OMP_", "TF_", "XLA_")
"""Of the variables that say how Keras and what is below it compute."""


def fit(options: argparse.Namespace) -> None:
    """Fit the networks on a Ray, then do here what is left of the run."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(options.cores))
    train_har.prepare_training()
    if options.address or importlib.util.find_spec("ray"):
        _fit_networks(options)
        options.resume = True
    else:
        print(
            "har-fleet: ray is not installed, so this process fits one network after the other, as "
            "train-har fit does: pip install 'har-stream[fleet]'",
            file=sys.stderr,
        )
    train_har.fit(options)


def _fit_networks(options: argparse.Namespace) -> None:
    from fleet.cluster.ray_workers import start_ray
    from fleet.training.ray_networks import (
        FitTask,
        RunToFit,
        Share,
        check_share,
        fill_cache,
        fit_networks,
    )
    from training.fitting.training_run import names_of_networks

    train_har.read_negatives(options)  # so that a mistake is told before all else
    environment = {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}
    runs = [
        RunToFit(
            FitTask(
                config=config,
                cache_folder=options.cache or clip_cache(),
                negatives=tuple(options.negatives),
                working_folder=Path.cwd(),
                environment=environment,
            ),
            folder,
            names_of_networks(config),
        )
        for config, folder in runs_of_fit(options)
    ]
    start_ray((), address=options.address)
    share = Share(n_cores=options.cores, n_gpus=options.gpus)
    check_share(share)
    fill_cache(runs[0].task)
    fit_networks(runs, share, resume=options.resume)
