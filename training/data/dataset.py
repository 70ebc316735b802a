"""The clips of a run, wherever they come from: class folders of videos, or simulated homes.

A new kind of data set is a new reader beside `folders` and `simulated`, and a line here.
"""

from training.config import DataConfig
from training.data.clip import Dataset
from training.data.folders import read_class_folders
from training.data.simulated import draw_dataset


def read_dataset(config: DataConfig) -> Dataset:
    """List a data set's clips.

    Raises:
        InputError: The folder or a class of the config is missing, or is named where it cannot be.
    """
    if config.kind == "simulated":
        return draw_dataset(config.n_clips)
    return read_class_folders(config)
