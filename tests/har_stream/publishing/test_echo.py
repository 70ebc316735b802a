"""An event that the broker took and delivers to nobody is noticed; one that comes back is not."""

from har_stream.publishing.echo import ECHO_S, N_REMEMBERED, Echo


def test_what_does_not_come_back_is_missed_once() -> None:
    echo = Echo()
    echo.taken("a", now_s=0.0)
    assert not echo.is_missing(now_s=ECHO_S)
    assert echo.is_missing(now_s=ECHO_S + 1)
    assert not echo.is_missing(now_s=ECHO_S + 2)


def test_an_echo_may_come_before_or_after_the_brokers_answer() -> None:
    echo = Echo()
    echo.heard("early")
    echo.taken("early", now_s=0.0)
    echo.taken("late", now_s=0.0)
    echo.heard("late")
    assert not echo.is_missing(now_s=ECHO_S + 1)


def test_what_an_earlier_connection_took_is_not_waited_for() -> None:
    echo = Echo()
    echo.taken("a", now_s=0.0)
    echo.reconnected()
    assert not echo.is_missing(now_s=ECHO_S + 1)


def test_strange_events_on_our_topic_do_not_pile_up() -> None:
    echo = Echo()
    for n in range(3 * N_REMEMBERED):
        echo.heard(f"strange{n}")
    assert len(echo._early) == N_REMEMBERED
