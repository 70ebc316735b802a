"""Settings of the broker: where it is, how to trust it, as whom to sign in."""

import os
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from har_stream.config.secret_file import read_secret
from har_stream.config.section import Section, UserPath
from har_stream.core.url import LOOPBACK, MQTT_PORT


class TlsSettings(Section):
    """Encryption to the broker; certificates are always verified."""

    ca_file: UserPath | None = Field(None, description="CA certificate; none: the system's")
    cert_file: UserPath | None = Field(None, description="client certificate")
    key_file: UserPath | None = Field(None, description="its key")


def _as_text(version: object) -> object:
    """YAML reads `protocol: 5` as a number."""
    return str(version) if type(version) is int else version


class BrokerSettings(Section):
    """The MQTT broker. A password comes from a file or from HAR_MQTT_PASSWORD, never from YAML."""

    url: str | None = Field(
        None,
        description=f"mqtt://host:1883 or mqtts://host:8883; none: {LOOPBACK}:{MQTT_PORT}",
    )
    username: str | None = None
    password_file: UserPath | None = Field(None, description="readable by its owner alone")
    tls: TlsSettings | None = None
    protocol: Annotated[Literal["auto", "5", "3.1.1"], BeforeValidator(_as_text)] = "auto"


def read_password(broker: BrokerSettings) -> str | None:
    """Read the broker's password from its file or from HAR_MQTT_PASSWORD.

    Raises:
        InputError: The file is missing, or others can read it.
    """
    if broker.password_file is None:
        return os.environ.get("HAR_MQTT_PASSWORD")
    return read_secret(broker.password_file, "password")
