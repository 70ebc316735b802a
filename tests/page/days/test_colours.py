"""Colours of activities: the same always, and different where two may stand side by side."""

from page.days.colours import PATTERNED, look_of


def test_no_two_activities_of_a_home_look_alike() -> None:
    labels = ("walking", "standing", "sitting", "lying", "bending", "fallen")
    labels += ("cooking", "eating", "sleeping", "exercising", "relaxing")
    assert len({look_of(label) for label in labels}) == len(labels)


def test_a_look_hangs_on_the_name_alone() -> None:
    """A published colour may not change: people know their days by them."""
    assert look_of("cooking") == look_of("cooking")
    assert {look.id for look in PATTERNED} >= {
        look_of(f"activity{number}").id
        for number in range(100)
        if look_of(f"activity{number}").pattern != "plain"
    }
