"""A `.keras` file is looked at before Keras reads it; a damaged one is one line."""

import os
import time
from pathlib import Path

import pytest
from support.files.mutations import mutate

from har_stream.bundles import bundle
from har_stream.bundles.keras_archive import read_config
from har_stream.core.errors import InputError
from training.export import keras_file

VALID = bundle.SHIPPED / "lrcn-ucf" / "encoder.keras"


def test_a_shipped_network_is_read() -> None:
    assert read_config(VALID)["class_name"] == "Functional"


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: object) -> None:
    path = tmp_path / "model.keras"
    make(path)  # type: ignore[operator]
    for read in (read_config, keras_file.read):
        with pytest.raises(InputError):
            read(path)


@pytest.mark.parametrize(
    "n", [pytest.param(30, id="short"), pytest.param(300, id="long", marks=pytest.mark.slow)]
)
def test_mutations_of_a_valid_file(tmp_path: Path, n: int) -> None:
    path = tmp_path / "model.keras"
    counts = {"read": 0, "refused": 0}
    longest_s = 0.0
    for seed in range(n):
        path.write_bytes(mutate(VALID.read_bytes(), seed))
        began_s = time.process_time()
        for read in (read_config, keras_file.read):
            try:
                read(path)
                counts["read"] += 1
            except InputError as error:
                assert "\n" not in str(error)
                counts["refused"] += 1
        longest_s = max(longest_s, time.process_time() - began_s)
    print(f".keras: {n} mutations, {counts}, longest {longest_s:.2f} s, 0 tracebacks")
    assert longest_s < 2.0
    assert counts["refused"] > n / 4
