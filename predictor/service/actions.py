"""Carries out what the rules decide, says why, and remembers it over a restart."""

import logging

from sqlalchemy.exc import DBAPIError

from har_stream.config.forecast import RuleSettings
from har_stream.config.settings import Settings
from har_stream.mqtt.messages import Forecast, RuleState
from har_stream.mqtt.topics import Topics
from predictor.journal.journal import Journal
from predictor.service import rules
from predictor.service.publisher import Publisher

logger = logging.getLogger(__name__)


class Actions:
    """The rules of one home.

    Args:
        settings: ``forecast.rules`` of it.
        journal: Keeps each rule's state.
        publisher: The broker.
        dry_run: No rule acts; what it would do is said.
    """

    def __init__(
        self, settings: Settings, journal: Journal, publisher: Publisher, *, dry_run: bool
    ) -> None:
        self._rules = [
            rule.model_copy(update={"dry_run": rule.dry_run or dry_run})
            for rule in settings.forecast.rules
        ]
        self._journal = journal
        self._publisher = publisher
        names = {rule.name for rule in self._rules}
        kept = journal.rule_states()
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
            state = rules.decide(rule, self._states.get(rule.name), forecast)
            if state is None:
                continue
            logger.info("%s", rules.explain(rule, state))
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
        payload = rules.payload_of(rule, state)
        if payload is None or state.dry_run:
            del self._unsent[rule.name]
            return

        def strike_out(_taken: bool) -> None:
            if self._unsent.get(rule.name) is state:
                del self._unsent[rule.name]

        self._publisher.publish(rule.topic, payload, retain=rule.retain, on_sent=strike_out)
