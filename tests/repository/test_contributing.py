"""The plan on the wall is the house: CONTRIBUTING's tree names every file as it is."""

import re

from support.repository import ROOT
from support.tree import PAGE, write_tree


def test_the_tree_is_that_of_the_packages() -> None:
    page = PAGE.read_text()
    assert write_tree(page) == page, "make tree draws it anew"


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(
        r"`((?:fleet|har_stream|page|predictor|training|tests|docs|configs)/[\w./-]*)`",
        PAGE.read_text(),
    )
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
