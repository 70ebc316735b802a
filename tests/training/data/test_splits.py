"""No split has cuts of one video on two sides, but the study's, which says so."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.trainers.data_adapters.array_slicing import train_validation_split

from har_stream.core.errors import InputError
from training.config import DataConfig, SplitConfig
from training.data import folders, splits
from training.data.clip import LINK, Clip, Dataset, VideoClip
from training.data.splits import Split


def _dataset(n_groups: int = 10, n_cuts: int = 4) -> Dataset:
    clips = tuple(
        VideoClip(Path(f"{label}/v_{label}_g{group:02}_c{cut:02}.avi"), label, str(group))
        for label in ("A", "B")
        for group in range(1, n_groups + 1)
        for cut in range(n_cuts)
    )
    return Dataset(("A", "B"), clips, ())


def _make(config: SplitConfig, *, dataset: Dataset | None = None, **data: object) -> list[Split]:
    dataset = dataset or _dataset()
    return splits.make_splits(dataset, split=config, data=DataConfig.model_validate(data), seed=27)


def test_held_out_groups_are_the_test_side() -> None:
    config = SplitConfig(held_out=("1", "02"), held_out_of={"B": ("9",)})
    (split,) = _make(config)
    assert {clip.source for clip in split.test} == {"A/1", "A/2", "B/9"}
    assert len(split.train) + len(split.validation) + len(split.test) == 80
    assert split.validation
    assert not splits.mixed_groups(split)
    assert split.name == "group, held out: 1, 02; B 9"


def test_a_group_linked_with_a_held_out_one_is_tested_too() -> None:
    clips = tuple(
        VideoClip(clip.path, clip.label, "4+7") if clip.group in {"4", "7"} else clip
        for clip in _dataset().clips
    )
    (split,) = _make(SplitConfig(held_out=("7",)), dataset=Dataset(("A", "B"), clips, ()))
    assert {clip.source for clip in split.test} == {"A/4+7", "B/4+7"}


@given(n_groups=st.integers(5, 12), n_cuts=st.integers(1, 5), seed=st.integers(0, 99))
def test_folds_test_every_clip_once_and_mix_no_group(n_groups: int, n_cuts: int, seed: int) -> None:
    dataset = _dataset(n_groups, n_cuts)
    made = splits.split_in_folds(dataset.clips, n_folds=5, seed=seed)
    tested = [clip for split in made for clip in split.test]
    assert sorted(tested, key=str) == sorted(dataset.clips, key=str)
    for split in made:
        assert not splits.mixed_groups(split)
        assert {clip.label for clip in split.test} == {"A", "B"}


@st.composite
def _datasets(draw: st.DrawFn) -> Dataset:
    """Two to four classes of five to nine groups of one to four cuts; some groups are linked."""
    spans = draw(st.booleans())
    clips: list[Clip] = []
    labels = "ABCD"[: draw(st.integers(2, 4))]
    pairs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=3)
    shared = draw(pairs)
    for label in labels:
        of_label = [
            VideoClip(Path(f"{label}/{group}_{cut}.avi"), label, str(group), spans)
            for group in range(draw(st.integers(5, 9)))
            for cut in range(draw(st.integers(1, 4)))
        ]
        linked = shared if spans else draw(pairs)
        clips += folders.link_groups(of_label, [(str(a), str(b)) for a, b in linked])
    return Dataset(tuple(labels), tuple(clips), ())


@settings(max_examples=40)
@given(dataset=_datasets(), by=st.sampled_from(["group", "folds"]), seed=st.integers(0, 99))
def test_no_split_mixes_footage_whatever_is_linked(dataset: Dataset, by: str, seed: int) -> None:
    config = SplitConfig.model_validate({"by": by, "held_out": ("0", "1"), "n_folds": 2})
    try:
        made = splits.make_splits(dataset, split=config, data=DataConfig(), seed=seed)
    except InputError as error:
        assert "groups, too few" in str(error) or "no clip of" in str(error)
        return
    for split in made:
        sides = (split.train, split.validation, split.test)
        assert Counter(clip for side in sides for clip in side) == Counter(dataset.clips)
        assert not split.leaks
        of_footage: dict[str, set[int]] = {}
        for number, side in enumerate(sides):
            for clip in side:
                for group in clip.group.split(LINK):
                    name = group if clip.spans else f"{clip.label}/{group}"
                    of_footage.setdefault(name, set()).add(number)
        assert all(len(found) == 1 for found in of_footage.values())


@given(dataset=_datasets(), seed=st.integers(0, 99), data=st.data())
def test_one_moved_cut_is_found_out(dataset: Dataset, seed: int, data: st.DataObject) -> None:
    n_of = Counter(clip.source for clip in dataset.clips)
    rest = [clip for clip in dataset.clips if n_of[clip.source] > 1]
    if not rest:
        return
    moved = data.draw(st.sampled_from(rest))
    others = tuple(clip for clip in dataset.clips if clip != moved)
    leaking = Split("by hand", others, (), (moved,), leaks=False)
    assert splits.mixed_groups(leaking) == [moved.source]
    with pytest.raises(InputError, match="cuts of one video lie on both sides"):
        splits.check_split(leaking, [moved.label])
    splits.check_split(replace(leaking, leaks=True), [moved.label])


def test_the_study_splits_at_random_and_is_flagged() -> None:
    (split,) = _make(SplitConfig(by="study"))
    assert (len(split.train), len(split.validation), len(split.test)) == (48, 12, 20)
    assert split.leaks
    assert splits.mixed_groups(split)
    assert _make(SplitConfig(by="study")) == [split]


def test_the_study_is_flagged_also_where_no_clip_names_its_video() -> None:
    clips = tuple(replace(c, group=c.path.stem, ungrouped=True) for c in _dataset().clips)
    (split,) = _make(SplitConfig(by="study"), dataset=Dataset(("A", "B"), clips, ()))
    assert not splits.mixed_groups(split)
    assert split.leaks
    assert split.n_ungrouped == 80


@pytest.mark.parametrize(("n_clips", "sizes"), [(277, (165, 42, 70)), (484, (290, 73, 121))])
def test_the_study_validates_on_what_keras_would_split_off(
    n_clips: int, sizes: tuple[int, int, int]
) -> None:
    split = splits.split_as_study(_dataset(n_groups=25, n_cuts=10).clips[:n_clips], seed=27)
    assert (len(split.train), len(split.validation), len(split.test)) == sizes
    rest = (np.arange(sizes[0] + sizes[1]),)
    (train,), (validation,) = train_validation_split(rest, validation_split=0.2)
    assert (len(train), len(validation)) == sizes[:2]


def test_a_mixed_group_is_refused(tmp_path: Path) -> None:
    (tmp_path / "testlist01.txt").write_text("A/v_A_g01_c00.avi\nB/v_B_g01_c00.avi\n")
    named = ("A/v_A_g02_c00.avi 1", "B/v_B_g01_c01.avi 2", "B/v_B_g03_c01.avi 2")
    (tmp_path / "trainlist01.txt").write_text("\n".join(named))
    (split,) = _make(SplitConfig(by="official", validation=0), lists=tmp_path)
    assert {clip.source for clip in split.train} == {"A/2", "B/3"}
    assert [clip.path.stem for clip in split.test] == ["v_A_g01_c00", "v_B_g01_c00"], "as listed"
    assert split.name == "official list 1, without 1 training clips of videos that it tests"
    leaking = Split("by hand", split.train, (), (*split.test, split.train[0]), leaks=False)
    with pytest.raises(InputError, match=r"cuts of one video .*'by: study'"):
        splits.check_split(leaking, ("A", "B"))


def test_official_hmdb51_files_are_read(tmp_path: Path) -> None:
    films = (0, 0, 1, 2, 3, 0)
    clips = tuple(
        VideoClip(Path(f"{c}/{c}{n}.avi"), c, str(f)) for c in "AB" for n, f in enumerate(films)
    )
    for label in "AB":
        uses = [2, 2, 1, 1, 1, 0]
        lines = [f"{label}{n}.avi {use} " for n, use in enumerate(uses)]
        (tmp_path / f"{label}_test_split2.txt").write_text("\n".join(lines))
    config = SplitConfig(by="official", list=2, validation=0)
    (split,) = _make(config, dataset=Dataset(("A", "B"), clips, ()), kind="hmdb51", lists=tmp_path)
    assert [clip.path.stem for clip in split.test] == ["A0", "A1", "B0", "B1"]
    assert [clip.path.stem for clip in split.train] == ["A2", "A3", "A4", "B2", "B3", "B4"]
    assert split.name == "official list 2"


def test_ucf101_list_1_tests_groups_1_to_7(shared: Path) -> None:
    labels = ("Swing", "HorseRace")
    clips = tuple(
        VideoClip(Path(f"v_{label}_g{group:02}_c01.avi"), label, str(group))
        for label in labels
        for group in range(1, 26)
    )
    lists = shared / "data/ucf101_splits"
    data = {"kind": "ucf101", "lists": lists}
    for number, groups in ((1, range(1, 8)), (2, range(8, 15)), (3, range(15, 22))):
        config = SplitConfig(by="official", list=number)
        dataset = Dataset(labels, clips, ())
        (split,) = _make(config, dataset=dataset, **data)
        assert {clip.group for clip in split.test} == {str(group) for group in groups}
        assert len(split.test) + len(split.train) + len(split.validation) == len(clips)
        assert split.name == f"official list {number}"


@pytest.mark.parametrize("by", ["group", "folds", "official", "study"])
def test_too_little_to_split_is_said(by: str) -> None:
    clips = tuple(VideoClip(Path(f"{n}.avi"), "A", str(n)) for n in range(9))
    lonely = VideoClip(Path("1.avi"), "Lonely", "1")
    config = SplitConfig.model_validate({"by": by, "held_out": ("1",)})
    with pytest.raises(InputError, match="one class, 'A'; at least two are needed"):
        _make(config, dataset=Dataset(("A",), clips, ()))
    with pytest.raises(InputError, match="Lonely: one clip cannot be split; give at least two"):
        _make(config, dataset=Dataset(("A", "Lonely"), (*clips, lonely), ()))


def test_unusable_splits_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clip of A, B on the test side"):
        _make(SplitConfig(held_out=("99",)))
    (tmp_path / "C").mkdir()
    (tmp_path / "C/1.avi").touch()
    lost = SplitConfig(held_out=("1",), held_out_of={"C": ("2",), "a": ("3",)})
    with pytest.raises(
        InputError, match=r"^split.held_out_of: no such class: a; there are A, B, C$"
    ):
        _make(lost, path=tmp_path)
    with pytest.raises(
        InputError, match="class 'A' has 10 groups, too few for 11 parts: bring 1 more"
    ):
        _make(SplitConfig(by="folds", n_folds=11))
    with pytest.raises(InputError, match="no folder of the official split files"):
        _make(SplitConfig(by="official"), lists=tmp_path / "none")
    (tmp_path / "A_test_split1.txt").write_text("a1.avi 1\na2.avi 3\n")
    with pytest.raises(InputError, match=r"A_test_split1.txt: 'a2.avi 3': a clip and 0, 1 or 2"):
        _make(SplitConfig(by="official"), kind="hmdb51", lists=tmp_path)
    for part in ("train", "test"):
        (tmp_path / f"{part}list01.txt").write_text("A/v_A_g01_c00.avi 1\n")
    with pytest.raises(InputError, match="the lists know no class B"):
        _make(SplitConfig(by="official"), lists=tmp_path)
