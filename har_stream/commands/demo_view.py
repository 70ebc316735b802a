"""The terminal view of the demo: what any MQTT subscriber can see, drawn with rich."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from har_stream.core.activity import IDLE, UNKNOWN
from har_stream.mqtt.connection import OFFLINE
from har_stream.mqtt.messages import (
    ActivityAttributes,
    ActivityEvent,
    ActivityState,
    Forecast,
    NodeStats,
)
from har_stream.mqtt.topics import Topics

N_EVENTS = 100
"""As many as a tall terminal has rows for."""
N_NOW, N_NEXT = 3, 6
"""Labels that are shown of a decision and of a forecast."""
COLOURS = ("green", "cyan", "yellow", "magenta", "blue", "bright_green", "bright_cyan")
"""Of activities, in the order of the bundle; red is for what is urgent."""
URGENT, NOBODY = "bold red", "dim"


@dataclass(slots=True)
class LiveView:
    """Everything that the view has heard; `take` updates it, `render` draws it.

    Attributes:
        title: First line: where frames come from and who recognises.
        footer: Last lines: how to listen in, and how to end it.
        labels: What the recogniser knows, which gives each activity a colour.
        urgent: Those that are red.
        ends: Whether what is watched comes to an end, as a recording does.
    """

    title: str
    footer: str
    labels: Sequence[str] = ()
    urgent: Collection[str] = ()
    ends: bool = False
    state: ActivityState | None = None
    attributes: ActivityAttributes | None = None
    stats: NodeStats | None = None
    forecast: Forecast | None = None
    events: deque[ActivityEvent] = field(default_factory=lambda: deque(maxlen=N_EVENTS))
    n_events: int = 0
    n_forecasts: int = 0
    is_away: bool = False

    def add_message(self, topics: Topics, topic: str, payload: bytes) -> str | None:
        """Show what one MQTT message says from here on.

        Returns:
            One line for a terminal that cannot draw; only events, and forecasts that expect
            something else than the one before, are worth one.

        Raises:
            MessageError: The payload is not what its topic promises.
        """
        match topics.split(topic):
            case ("home", _, "forecast"):
                before, self.forecast = self.forecast, Forecast.decode(payload)
                self.n_forecasts += 1
                is_news = _expects(self.forecast) and _expects(self.forecast) != _expects(before)
                return _forecast_line(self.forecast) if is_news else None
            case (_, _, "event"):
                event = ActivityEvent.decode(payload)
                self.events.appendleft(event)
                self.n_events += 1
                return _event_line(event)
            case (_, "stats"):
                self.stats = NodeStats.decode(payload)
            case (_, _, "activity"):
                self.state = ActivityState.decode(payload)
            case (_, _, "activity", "attributes"):
                self.attributes = ActivityAttributes.decode(payload)
            case (node, _, "availability") if node != "home":
                self.is_away = payload == OFFLINE.encode()
        return None

    def newest(self) -> list[str]:
        """The newest events and the newest forecast, a line each: what a cleared screen showed."""
        lines = [_event_line(event) for event in reversed(self.events)]
        if self.forecast and _expects(self.forecast):
            lines.append(_forecast_line(self.forecast))
        return lines

    def summary(self) -> str:
        """Say in one line what was heard."""
        return f"heard {self.n_events} events and {self.n_forecasts} forecasts"

    def render(self) -> RenderableType:
        """Draw the whole screen."""
        layout = Layout()
        layout.split_column(
            Layout(Text(self.title, style="bold", no_wrap=True, overflow="ellipsis"), size=1),
            Layout(name="body"),
            Layout(self._health(), size=1),
            Layout(Text(self.footer, style="dim"), size=2),
        )
        layout["body"].split_row(Layout(name="now"), Layout(name="next"))
        layout["now"].split_column(
            Layout(Panel(self._now(), title=self._now_title()), size=N_NOW + 3),
            Layout(Panel(self._event_list(), title=f"events ({self.n_events})")),
        )
        layout["next"].update(Panel(self._forecast(), title="forecast"))
        return layout

    def _now_title(self) -> str:
        return f"now: {self.state.at:%a %H:%M:%S}" if self.state else "now"

    def _now(self) -> RenderableType:
        if self.state is None:
            return Text("waiting for the first decision ...", style="dim")
        of_what = "likeliest at " if self.state.activity == UNKNOWN else ""
        head = Text.assemble(
            self._coloured(self.state.activity, "bold"),
            f"  {of_what}{self.state.confidence:.0%}",
            f"  since {self.state.since:%H:%M}",
        )
        top = self.attributes.top if self.attributes else ()
        return Group(head, self._bars(top[:N_NOW]))

    def _event_list(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for event in self.events:
            at, what, sure = _event_row(event)
            table.add_row(at.split()[-1], self._coloured_event(event, what), sure)
        return table

    def _forecast(self) -> RenderableType:
        forecast = self.forecast
        if forecast is None:
            return Text("waiting for har-forecast ...", style="dim")
        if not forecast.fresh:
            return Text("waiting for a camera to say what goes on ...", style="dim")
        if not _expects(forecast):
            return Text("nothing learnt yet: it takes two different activities", style="dim")
        start = forecast.next_start
        early, late = (forecast.at + timedelta(seconds=s) for s in (start.p10_s, start.p90_s))
        n_days = forecast.training_days
        learnt = f"learnt from {n_days} day{'s' * (n_days != 1)}"
        if not forecast.enough_data:
            learnt += ", not enough yet"
        within = Table("within", *forecast.within, box=None, pad_edge=False)
        for label, _ in forecast.next[:N_NEXT]:
            shares = [f"{chances.get(label, 0):.0%}" for chances in forecast.within.values()]
            within.add_row(self._coloured(label), *shares)
        return Group(
            Text(f"next, about {start.p50_at:%a %H:%M}", style="bold"),
            Text(f"80 % between {early:%a %H:%M} and {late:%a %H:%M}"),
            self._bars(forecast.next[:N_NEXT]),
            Text(),
            within,
            Text(),
            Text("then  " + " > ".join(forecast.sequence), overflow="ellipsis"),
            Text(f"{forecast.model}, {learnt}", style="dim"),
        )

    def _health(self) -> RenderableType:
        if self.is_away and self.state is not None:
            if self.ends:
                return Text("the recording has ended", style="cyan")
            return Text("the camera is away; it is tried again", style="bold red")
        parts = []
        if self.stats:
            parts.append(f"{self.stats.fps_in:.0f} frames/s")
            parts.append(f"latency p95 {self.stats.latency_p95_ms:.1f} ms")
        if self.attributes:
            parts.append(f"latency {self.attributes.latency_ms:.1f} ms")
            parts.append(f"bundle {self.attributes.bundle}")
        return Text("   ".join(parts) or "starting ...", style="cyan")

    def _coloured(self, activity: str, style: str = "") -> Text:
        if activity in self.urgent:
            return Text(activity, style=URGENT)
        if activity in (IDLE, UNKNOWN):
            return Text(activity, style=NOBODY)
        if activity in self.labels:
            style += f" {COLOURS[self.labels.index(activity) % len(COLOURS)]}"
        return Text(activity, style=style)

    def _coloured_event(self, event: ActivityEvent, what: str) -> Text:
        """What an event says, in the colour of the activity that it is about."""
        before = what.removesuffix(event.activity)
        return Text.assemble((before, "dim"), self._coloured(event.activity))

    def _bars(self, ranked: Sequence[tuple[str, float]]) -> Table:
        table = Table.grid(padding=(0, 1))
        for label, chance in ranked:
            bar = ProgressBar(total=1, completed=chance, width=20)
            table.add_row(self._coloured(label), bar, f"{chance:.0%}")
        return table


def _event_row(event: ActivityEvent) -> tuple[str, str, str]:
    """Put one event into three columns: when, what, how sure."""
    at = event.ended_at or event.started_at
    before = f"{event.previous} > " if event.previous else ""
    what = {"activity_started": "+ ", "activity_changed": "", "activity_ended": "- "}
    text = f"{what[event.event_type]}{before}{event.activity}"
    sure = "" if event.ended_at else f"{event.confidence:.0%}"
    return f"{at:%a %H:%M:%S}", text, sure


def _event_line(event: ActivityEvent) -> str:
    return "event     " + "  ".join(_event_row(event)).rstrip()


def _forecast_line(forecast: Forecast) -> str:
    ranked = ", ".join(f"{label} {chance:.0%}" for label, chance in forecast.next[:3])
    return (
        f"forecast  {forecast.at:%a %H:%M:%S}  {forecast.activity.label} now; "
        f"next about {forecast.next_start.p50_at:%H:%M}: {ranked}"
    )


def _expects(forecast: Forecast | None) -> tuple[str, str] | None:
    """What runs and what is expected next; none where the forecaster knows nothing."""
    if forecast is None or not forecast.fresh:
        return None
    if all(label == UNKNOWN for label, _ in forecast.next):
        return None
    return forecast.activity.label, forecast.next[0][0]
