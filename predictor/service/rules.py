"""Forecast -> action: a rule is on while its activity is likely soon.

`decide` is pure; `RuleRunner` carries out what it says, logs why, and keeps it in the journal.
"""

import logging
from datetime import timedelta
from typing import Literal

from sqlalchemy.exc import DBAPIError

from har_stream.config.forecast_settings import RuleSettings
from har_stream.config.settings import Settings
from har_stream.mqtt.connection import Publishes
from har_stream.mqtt.messages import Forecast, RuleState
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal

logger = logging.getLogger(__name__)

DEFAULT_HYSTERESIS = 0.1


def decide(rule: RuleSettings, before: RuleState | None, forecast: Forecast) -> RuleState | None:
    """Say what a forecast makes of a rule.

    It goes on where the activity starts within the horizon with at least ``rule.probability``, and
    off below ``rule.release``; between two changes lies the cool-down, in the home's time. While
    the activity itself goes on, and before the forecaster has learnt enough, nothing changes. Once
    no camera speaks, it goes off at once or stays as it is, as ``rule.when_stale`` says.

    Args:
        rule: The rule.
        before: Its state so far; ``None`` counts as off since ever.
        forecast: The newest forecast.

    Returns:
        The new state where it changes, with the forecast as its cause; else ``None``.
    """
    is_on = before is not None and before.state == "on"
    if not forecast.fresh:
        reverts = is_on and rule.when_stale == "off"
        return _state(rule, "off", forecast) if reverts else None
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
    return _state(rule, "off" if is_on else "on", forecast)


def _state(rule: RuleSettings, state: Literal["on", "off"], cause: Forecast) -> RuleState:
    return RuleState(state=state, changed_at=cause.at, dry_run=rule.dry_run, cause=cause)


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
    why = f"{rule.activity} within {rule.within} has probability {likely:.2f}"
    if cause and not cause.fresh:
        why = "no camera has spoken"
        if cause.evidence_age_s is not None:
            why += f" for {cause.evidence_age_s / 60:.0f} min"
    return (
        f"rule {rule.name}: {state.state}: {why} "
        f"({'dry run, not published: ' if state.dry_run else ''}{act})"
    )


class RuleRunner:
    """Carries out what the rules of one home decide, and remembers it over a restart.

    Args:
        settings: ``forecast.rules`` of it.
        journal: Keeps each rule's state.
        publisher: The broker.
        dry_run: No rule acts; what it would do is said.
    """

    def __init__(
        self, settings: Settings, journal: Journal, publisher: Publishes, *, dry_run: bool
    ) -> None:
        self._rules = [
            rule.model_copy(update={"dry_run": rule.dry_run or dry_run})
            for rule in settings.forecast.rules
        ]
        self._journal = journal
        self._publisher = publisher
        names = {rule.name for rule in self._rules}
        kept = journal.rule_states() if names else {}
        self._states = {name: state for name, state in kept.items() if name in names}
        self._unsent: dict[str, RuleState] = {}
        topics = Topics(settings.base_topic)
        self._topics = {name: topics.home(settings.home, "rule", name) for name in names}

    @property
    def topics(self) -> list[str]:
        """Where the rules' states are retained."""
        return list(self._topics.values())

    def follow(self, forecast: Forecast) -> None:
        """Do what a new forecast asks for."""
        for rule in self._rules:
            state = decide(rule, self._states.get(rule.name), forecast)
            if state is None:
                continue
            logger.info("%s", explain(rule, state))
            self._states[rule.name] = self._unsent[rule.name] = state
            try:
                self._journal.keep_rule_state(rule.name, state)
            except DBAPIError as error:
                logger.error("rule %s: its state cannot be kept: %s", rule.name, error.orig)
            self._publisher.publish(self._topics[rule.name], state, retain=True)
            self._send(rule, state)

    def greet(self) -> None:
        """Say every rule's state to a broker that may not know it, and act where it did not."""
        for rule in self._rules:
            if rule.name in self._states:
                self._publisher.publish(
                    self._topics[rule.name], self._states[rule.name], retain=True
                )
            if rule.name in self._unsent:
                self._send(rule, self._unsent[rule.name])

    def _send(self, rule: RuleSettings, state: RuleState) -> None:
        """Act; an action that the broker has not taken outlives the connection."""
        payload = payload_of(rule, state)
        if payload is None or state.dry_run:
            del self._unsent[rule.name]
            return

        def strike_out(_reason_code: int) -> None:
            if self._unsent.get(rule.name) is state:
                del self._unsent[rule.name]

        self._publisher.publish(rule.topic, payload, retain=rule.retain, on_sent=strike_out)
