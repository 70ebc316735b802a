"""Forecast -> action: a rule is on while its activity is likely soon. Pure."""

from datetime import timedelta
from typing import Literal

from har_stream.config.forecast import RuleSettings
from har_stream.mqtt.messages import Forecast, RuleState

DEFAULT_HYSTERESIS = 0.1


def decide(rule: RuleSettings, before: RuleState | None, forecast: Forecast) -> RuleState | None:
    """Say what a forecast makes of a rule.

    It goes on where the activity starts within the horizon with at least ``rule.probability``, and
    off below ``rule.release``; between two changes lies the cool-down, in the home's time. While
    the activity itself goes on, and before the forecaster has learnt enough, nothing changes.

    Args:
        rule: The rule.
        before: Its state so far; ``None`` counts as off since ever.
        forecast: The newest forecast.

    Returns:
        The new state where it changes, with the forecast as its cause; else ``None``.
    """
    is_on = before is not None and before.state == "on"
    if not forecast.enough_data or forecast.activity.label == rule.activity:
        return None
    if before is not None:
        elapsed = forecast.at - before.changed_at
        if timedelta(0) <= elapsed < timedelta(seconds=rule.cool_down_s):
            return None
    likely = forecast.within.get(rule.within, {}).get(rule.activity, 0.0)
    changes = likely < release_of(rule) if is_on else likely >= rule.probability
    if not changes:
        return None
    state: Literal["on", "off"] = "off" if is_on else "on"
    return RuleState(state=state, changed_at=forecast.at, dry_run=rule.dry_run, cause=forecast)


def release_of(rule: RuleSettings) -> float:
    """The probability below which a rule goes off."""
    if rule.release is not None:
        return rule.release
    return max(0.0, rule.probability - DEFAULT_HYSTERESIS)


def payload_of(rule: RuleSettings, state: RuleState) -> str | None:
    """What is published on the rule's topic; ``None`` where this change says nothing there."""
    return rule.payload_on if state.state == "on" else rule.payload_off


def explain(rule: RuleSettings, state: RuleState) -> str:
    """One line for the log: which forecast caused a change."""
    cause = state.cause
    likely = cause.within[rule.within].get(rule.activity, 0.0) if cause else 0.0
    act = f"{payload_of(rule, state)!r} to {rule.topic}" if payload_of(rule, state) else "no action"
    return (
        f"rule {rule.name}: {state.state}: {rule.activity} within {rule.within} has probability "
        f"{likely:.2f} ({'dry run, not published: ' if state.dry_run else ''}{act})"
    )
