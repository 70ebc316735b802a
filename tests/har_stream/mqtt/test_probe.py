"""What a broker answers for a moment's question: what it retains, whether anybody listens."""

import pytest
from support.broker.real_broker import free_port, listening

from har_stream.config.broker_settings import BrokerSettings
from har_stream.core.errors import InputError
from har_stream.mqtt import probe
from har_stream.mqtt.probe import open_probe, read_retained


def test_all_that_lies_retained_has_come_once_a_mark_is_back(mosquitto) -> None:
    settings = BrokerSettings(url=mosquitto.url)
    with listening(mosquitto.port, "t/#") as other:
        for n in range(50):
            other.publish(f"t/{n}", f"kept {n}", retain=True)
        other.publish("elsewhere/1", "kept too", retain=True)
        other.publish("t/passing", "not kept")
        other.wait_for(lambda came: len(came) == 51)
    assert read_retained(settings, "t") == {f"t/{n}": f"kept {n}".encode() for n in range(50)}


@pytest.mark.parametrize(("protocol", "heard", "unheard"), [("5", 0, 16), ("3.1.1", None, None)])
def test_only_mqtt_5_tells_whether_anybody_listens(mosquitto, protocol, heard, unheard) -> None:
    settings = BrokerSettings(url=mosquitto.url, protocol=protocol)
    with listening(mosquitto.port, "heard"), open_probe(settings) as asking:
        asking.publish("heard")
        asking.publish("unheard")
        assert asking.reason_code("heard") == heard
        assert asking.reason_code("unheard") == unheard


def test_a_refusal_is_told_and_what_cannot_be_read_is_an_error(
    make_mosquitto, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(probe, "ANSWER_S", 1.0)
    (tmp_path / "acl").write_text("topic write open/#\n")
    settings = BrokerSettings(url=make_mosquitto(f"acl_file {tmp_path / 'acl'}").url)
    with open_probe(settings) as asking:
        asking.publish("closed/x")
        assert asking.reason_code("closed/x") == 135  # not authorised
        assert asking.is_refused("closed/x")
    with pytest.raises(InputError, match="does not let us read open/#"):
        read_retained(settings, "open")


def test_an_unreachable_or_refusing_broker_is_an_error(make_mosquitto) -> None:
    for url in (f"mqtt://127.0.0.1:{free_port()}", make_mosquitto(anonymous=False).url):
        with pytest.raises(InputError, match=url), open_probe(BrokerSettings(url=url)):
            pass
