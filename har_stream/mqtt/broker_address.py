"""Where the MQTT broker is and how to trust it: URL, certificates."""

import re
import ssl
from dataclasses import dataclass

from har_stream.config.broker_settings import BrokerSettings, TlsSettings
from har_stream.core.errors import InputError
from har_stream.core.url import LOOPBACK, MQTT_PORT, parse_url

DEFAULT_PORT = MQTT_PORT


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker listens; `str` gives its URL, which never holds credentials."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def default_address() -> Address:
    """Where a broker is looked for, or an embedded one listens, unless a URL is given."""
    return Address(LOOPBACK, DEFAULT_PORT, tls=False)


def read_address(url: str | None) -> Address:
    """Read a broker's URL; ``None`` means `default_address`.

    Raises:
        InputError: It is no ``mqtt://`` or ``mqtts://`` URL, or it carries credentials.
    """
    if not url:
        return default_address()
    parts = parse_url(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.host:
        raise InputError("broker URL: mqtt://host:1883 or mqtts://host:8883 expected")
    if parts.login:
        raise InputError(
            f"broker URL of {parts.host}: credentials do not belong there; use broker.username "
            "with broker.password_file or HAR_MQTT_PASSWORD"
        )
    tls = parts.scheme == "mqtts"
    port = parts.port or ("8883" if tls else str(DEFAULT_PORT))
    if not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 2**16):
        raise InputError(f"broker URL of {parts.host}: its port is none; mqtt://host:1883 expected")
    return Address(parts.host, int(port), tls)


def tls_context(broker: BrokerSettings) -> ssl.SSLContext | None:
    """Certificates for ``mqtts://``, always verified; ``None`` for ``mqtt://``.

    Raises:
        InputError: A file cannot be read or holds no certificate, or the URL is ``mqtt://`` though
            certificates are given.
    """
    if not read_address(broker.url).tls:
        if broker.tls is not None:
            raise InputError("broker.tls is set, but broker.url is not mqtts://; make them agree")
        return None
    files = broker.tls or TlsSettings()
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
        if files.cert_file is not None:
            # Without a callback OpenSSL would ask for an encrypted key's pass phrase at the prompt.
            context.load_cert_chain(files.cert_file, files.key_file, password=_no_pass_phrase)
    except (OSError, ValueError) as error:
        named = ", ".join(str(file) for file in files.model_dump().values() if file)
        raise InputError(f"broker.tls ({named}): cannot be used: {error}") from error
    return context


def _no_pass_phrase() -> str:
    raise ValueError("the key is encrypted; give one without a pass phrase, readable by you alone")
