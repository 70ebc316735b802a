"""What a person may say of forecasts, and of the actions that they cause."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from har_stream.config.ids import Id, Topic
from har_stream.config.section import Duration, Fraction, Section, UserPath, refuse_twins


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


class ForecastSettings(Section):
    """har-forecast."""

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

    @model_validator(mode="after")
    def _names_differ(self) -> "ForecastSettings":
        refuse_twins("rules", [rule.name for rule in self.rules])
        refuse_twins("binary_sensors", self.binary_sensors)
        return self
