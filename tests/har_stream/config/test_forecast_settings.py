"""The forecaster's example configuration loads, names every key, and wrong rules are refused."""

import re
from pathlib import Path

import pytest
import yaml
from support.repository import ROOT

from har_stream.config.forecast_settings import ForecastSettings, RuleSettings, SensorSettings
from har_stream.config.settings import load_settings
from har_stream.core.errors import InputError

EXAMPLE = ROOT / "configs" / "har-forecast.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "har.yaml"


def test_the_example_loads_as_it_is_and_with_every_key_set(config: Path) -> None:
    (rule,) = load_settings(EXAMPLE).forecast.rules
    config.write_text(re.sub(r"(?m)^(\s*)#(?=\S)", r"\1", EXAMPLE.read_text()))
    (full,) = load_settings(config).forecast.rules
    assert full == rule.model_copy(update={"release": 0.6}), "the values shown are the defaults"
    told = yaml.safe_load(config.read_text())["forecast"]
    assert told.keys() == ForecastSettings.model_fields.keys()
    assert told["rules"][0].keys() == RuleSettings.model_fields.keys()
    assert told["sensors"][0].keys() == SensorSettings.model_fields.keys()


RULE = "name: a, activity: b, within: 60min, probability: 0.5, topic: c"


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([f"{RULE}, release: 0.6"], "release must not be above probability"),
        ([RULE, RULE], "two rules are called a"),
        ([RULE.replace("60min", "61min")], "within"),
        ([RULE.replace("0.5", "1.5")], "probability"),
        ([RULE.replace("topic: c", "topic: c/#")], "no wildcard"),
        ([RULE.replace("name: a", "name: A b")], "no valid id"),
        ([f"{RULE}, payload: ON"], "unknown key"),
    ],
)
def test_rules_that_make_no_sense(config: Path, rules: list[str], words: str) -> None:
    told = "".join(f"    - {{{rule}}}\n" for rule in rules)
    config.write_text(f"forecast:\n  rules:\n{told}")
    with pytest.raises(InputError, match=words):
        load_settings(config)


def test_a_bare_on_means_the_word(config: Path) -> None:
    config.write_text(
        f"forecast:\n  rules: [{{{RULE}, payload_on: ON, payload_off: off, when_stale: off}}]\n"
    )
    (rule,) = load_settings(config).forecast.rules
    assert (rule.payload_on, rule.payload_off, rule.when_stale) == ("ON", "OFF", "off")


SENSOR = "name: bed, topic: b"


@pytest.mark.parametrize(
    ("sensors", "words"),
    [
        ([SENSOR, SENSOR], "two sensors are called bed"),
        ([f"{SENSOR}, activities: {{sleeping: 1.5}}"], "sleeping"),
        ([f"{SENSOR}, silent_after_s: 0"], "silent_after_s"),
        ([SENSOR.replace("topic: b", "topic: b/#")], "no wildcard"),
        ([f"{SENSOR}, treshold: 3"], "unknown key"),
    ],
)
def test_sensors_that_make_no_sense(config: Path, sensors: list[str], words: str) -> None:
    told = "".join(f"    - {{{sensor}}}\n" for sensor in sensors)
    config.write_text(f"forecast:\n  sensors:\n{told}")
    with pytest.raises(InputError, match=words):
        load_settings(config)


@pytest.mark.parametrize(
    ("rule", "sensor", "words"),
    [
        ("har/home/home1/forecast", "x", "rule a would overwrite 'har/home/home1/forecast'"),
        ("har/desk/cam/event", "x", "rule a would overwrite"),
        ("x", "har/home/home1/unusual", "sensor bed listens to 'har/home/home1/unusual', which we"),
        ("x", "x", "sensor bed listens where rule a publishes"),
    ],
)
def test_what_we_say_is_neither_overwritten_nor_evidence(
    config: Path, rule: str, sensor: str, words: str
) -> None:
    told = f"rules: [{{{RULE.replace('topic: c', f'topic: {rule}')}}}]"
    config.write_text(f"forecast: {{{told}, sensors: [{{name: bed, topic: {sensor}}}]}}\n")
    with pytest.raises(InputError, match=words):
        load_settings(config)


def test_a_rule_may_give_orders_to_ours(config: Path) -> None:
    orders = ("har/desk/cam/enabled/set", "har/home/home1/context/away/set")
    rules = [f"{{{RULE.replace('topic: c', f'topic: {topic}')}}}" for topic in orders]
    rules[1] = rules[1].replace("name: a", "name: b")
    config.write_text(f"forecast: {{rules: [{', '.join(rules)}]}}\n")
    assert [rule.topic for rule in load_settings(config).forecast.rules] == list(orders)
