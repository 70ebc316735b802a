"""Labels are matched to common activities by their names, whole words alone."""

import pytest

from predictor.prior.activity_names import activity_of_label, common_activities


@pytest.mark.parametrize(
    ("label", "activity"),
    [
        ("Toileting", "toilet"),
        ("Use_toilet_downstairs", "toilet"),
        ("watchTv", "leisure"),
        ("Watch_TV", "leisure"),
        ("Go_to_bed", "sleeping"),
        ("Go_To_Sleep", "going_to_sleep"),
        ("Eat_Breakfast", "breakfast"),
        ("Cook_Breakfast", "cooking_breakfast"),
        ("Wash_Breakfast_Dishes", "washing_dishes"),
        ("Brush_teeth", "washing"),
        ("frühstücken", "breakfast"),
        ("badminton", None),
        ("朝食", None),
        ("", None),
    ],
)
def test_a_label_is_read_as_a_person_would(label: str, activity: str | None) -> None:
    assert activity_of_label(label) == activity


def test_a_common_activity_is_called_by_its_own_name() -> None:
    assert {name: activity_of_label(name) for name in common_activities()} == {
        name: name for name in common_activities()
    }
