"""An answer to one camera's fall is no answer to another's."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from jinja2 import Environment
from support.repository import ROOT


class _Loader(yaml.SafeLoader):
    """Reads `!input NAME` as its name."""


_Loader.add_constructor("!input", lambda loader, node: loader.construct_scalar(node))


@pytest.mark.parametrize(
    ("trigger", "action", "goes_on"),
    [
        ("answered", "har_acknowledge_button.n1_hall", True),
        ("answered", "har_acknowledge_button.n1_bath", False),
        ("0", None, True),
    ],
)
def test_only_the_cameras_own_answer_acknowledges(
    trigger: str, action: str | None, goes_on: bool
) -> None:
    text = (ROOT / "docs/blueprints/fall-alarm.yaml").read_text()
    blueprint: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 -- safe, but for !input
    render = Environment(autoescape=False).from_string  # noqa: S701 -- no HTML
    answer = render(blueprint["variables"]["answer"]).render(button="button.n1_hall")
    (condition,) = blueprint["condition"]
    told = SimpleNamespace(id=trigger, event=SimpleNamespace(data=SimpleNamespace(action=action)))
    assert render(condition).render(trigger=told, answer=answer) == str(goes_on)
