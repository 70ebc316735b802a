"""The forecast's worker for tests, with clocks that move only when a test moves them."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from support.broker.recording_publisher import RecordingPublisher
from support.event_builder import EIGHT

from har_stream.config.settings import Settings
from har_stream.mqtt.messages import ActivityEvent, ActivityState
from predictor.journal.journal import Journal
from predictor.journal.records import JournalEntry
from predictor.models import store
from predictor.service.forecast_worker import ForecastWorker

FORECAST = "har/home/h1/forecast"


class Bench:
    """A worker with clocks in our hands: `wall` and `seconds` move only when a test moves them."""

    def __init__(self, journal: Journal, **forecast: Any) -> None:
        self.journal = journal
        self.said = RecordingPublisher()
        self.announced: list[tuple[str, ...]] = []
        self.wall = EIGHT + timedelta(days=400)
        self.seconds = 0.0
        options: dict[str, Any] = {
            "dry_run": False,
            "make": lambda: store.create("hmm"),
            "begins": True,
            "load_snapshot": lambda: None,
            "refit": None,
            "state_dir": Path("no such folder"),
        }
        options |= {key: forecast.pop(key) for key in list(forecast) if key in options}
        self.worker = ForecastWorker(
            Settings.model_validate(
                {"home": "h1", "forecast": forecast, "state_dir": options["state_dir"]}
            ),
            journal,
            self.said,
            make_forecaster=options["make"],
            announce=lambda model, labels: self.announced.append((model, *labels)),
            dry_run=options["dry_run"],
            wall=lambda: self.wall,
            monotonic=lambda: self.seconds,
            load_snapshot=options["load_snapshot"],
            refit=options["refit"],
        )
        if options["begins"]:
            self.worker.begin()

    def tell(self, *events: ActivityEvent) -> None:
        """Events are kept and taken in, each with a forecast of its own."""
        for one in events:
            self.journal.record(one, received_at=self.wall)
            self.worker.take_event(JournalEntry(one, self.wall))
            self.worker.work()

    def beat(self, at: datetime | str) -> None:
        """The camera is there, and says so twice: what it says first, the broker may have kept."""
        until = datetime.fromisoformat(at) if isinstance(at, str) else at
        for beat in (until - timedelta(seconds=30), until):
            state = ActivityState(activity="relaxing", confidence=0.9, since=beat, at=beat)
            self.worker.take_state(("n1", "cam1"), state)
        self.worker.work()

    def forecasts(self) -> list[Any]:
        """What was forecast so far."""
        return self.said.on(FORECAST)
