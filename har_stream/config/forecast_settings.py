"""What a person may say of forecasts, of sensors, and of the actions that forecasts cause."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from har_stream.config.ids import Id, Topic
from har_stream.config.section import Duration, Fraction, Section, UserPath, refuse_twins
from har_stream.core.activity import MAX_NAME_LENGTH

MAX_SENSORS = 100


def _as_switch_text(payload: object) -> object:
    """To YAML a bare ON or OFF is true or false; here the words themselves are meant."""
    return {True: "ON", False: "OFF"}[payload] if isinstance(payload, bool) else payload


def _as_off(when: object) -> object:
    """To YAML a bare off is false."""
    return "off" if when is False else when


WhenStale = Annotated[Literal["off", "hold"], BeforeValidator(_as_off)]
SwitchText = Annotated[str, BeforeValidator(_as_switch_text)]


class RuleSettings(Section):
    """Forecast -> action: publish when an activity is likely soon."""

    name: Id
    activity: str
    within: Literal["15min", "60min", "180min"]
    probability: Fraction = Field(description="on at or above this")
    release: Fraction | None = Field(None, description="off below this; none: 0.1 under it")
    cool_down_s: Duration = Field(600.0, description="at least this long between two actions")
    topic: Topic
    payload_on: SwitchText = "ON"
    payload_off: SwitchText | None = Field("OFF", description="none: say nothing")
    when_stale: WhenStale = Field("off", description="once no camera speaks")
    retain: bool = False
    dry_run: bool = Field(False, description="say what it would do, do nothing")

    @model_validator(mode="after")
    def _hysteresis_holds(self) -> "RuleSettings":
        if self.release is not None and self.release > self.probability:
            raise ValueError("release must not be above probability, or it would flap")
        return self


class SensorSettings(Section):
    """A topic whose on and off are evidence of what goes on, beside cameras or without any."""

    name: Id
    topic: Topic
    field: str | None = Field(None, description="key of a JSON payload; none: all of the payload")
    above: float | None = Field(None, description="on where a number is above it; none: by words")
    payload_on: SwitchText | None = Field(None, description="its word beside on, open, home, ...")
    payload_off: SwitchText | None = Field(None, description="its word beside off, closed, ...")
    hold_s: Duration = Field(0.0, description="counts as on for so long after it has gone off")
    silent_after_s: Duration = Field(
        86_400.0, gt=0, description="without a word for so long, it tells nothing"
    )
    room: str | None = Field(None, max_length=MAX_NAME_LENGTH)
    activities: dict[str, Fraction] = Field(
        default_factory=dict, description="in what share of each it is on; none: that is learnt"
    )
    otherwise: Fraction = Field(0.05, description="in what share of all else it is on")


class ForecastSettings(Section):
    """har-forecast."""

    residents: int = Field(1, ge=1, le=10, description="of a room or camera one at most is seen")
    model: Literal["hmm", "dbn"] = "dbn"
    path: UserPath | None = Field(None, description="a model made by train-hmm; none: learn online")
    bundle: str | None = Field(None, description="whose confusion matrix bare labels are read by")
    journal: str | None = Field(None, description="SQLAlchemy URL; none: SQLite in the state dir")
    retention_days: int | None = Field(None, ge=1, description="none: keep everything")
    signing_keys: dict[Id, UserPath] = Field(
        default_factory=dict, description="key file of every node; some: nobody else is believed"
    )
    refresh_s: Duration = Field(60.0, gt=0, description="a new forecast at least this often")
    stale_after_s: Duration = Field(
        900.0, gt=0, description="once no camera has spoken for so long, rules do not act"
    )
    binary_sensors: tuple[str, ...] = Field((), description="activities with a 'likely' sensor")
    likely_above: Fraction = 0.7
    unusual_per_month: float = Field(
        1.0, ge=0, le=100, description="how often 'unusual' may be wrong; 0: nothing is told"
    )
    rules: tuple[RuleSettings, ...] = ()
    sensors: tuple[SensorSettings, ...] = Field((), max_length=MAX_SENSORS)

    @model_validator(mode="after")
    def _names_differ(self) -> "ForecastSettings":
        refuse_twins("rules", [rule.name for rule in self.rules])
        refuse_twins("sensors", [sensor.name for sensor in self.sensors])
        refuse_twins("binary_sensors", self.binary_sensors)
        return self
