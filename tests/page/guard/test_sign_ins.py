"""Sign-ins end, and wrong attempts wait ever longer."""

from page.guard.sign_ins import (
    LASTS_S,
    LONGEST_WAIT_S,
    MAX_ADDRESSES,
    MAX_SIGN_INS,
    N_FREE,
    Attempts,
    SignIns,
)


def test_a_sign_in_holds_until_it_ends() -> None:
    sign_ins = SignIns()
    token = sign_ins.begin(0.0)
    assert sign_ins.holds(token, LASTS_S - 1)
    assert not sign_ins.holds(token, LASTS_S + 1)
    assert not sign_ins.holds("", 0.0)
    sign_ins.end(token)
    assert not sign_ins.holds(token, 0.0)


def test_no_more_are_kept_than_there_is_room_for() -> None:
    sign_ins = SignIns()
    tokens = [sign_ins.begin(0.0) for _ in range(MAX_SIGN_INS + 1)]
    assert [sign_ins.holds(token, 0.0) for token in (tokens[0], tokens[1])] == [False, True]


def test_each_wrong_attempt_doubles_the_wait() -> None:
    attempts = Attempts()
    waits = []
    for _ in range(N_FREE + 12):
        waits.append(attempts.wait_s("a", 0.0))
        attempts.note_wrong("a", 0.0)
    assert waits[: N_FREE + 4] == [0.0] * N_FREE + [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_WAIT_S
    assert attempts.wait_s("a", LONGEST_WAIT_S) == 0.0
    assert attempts.wait_s("b", 0.0) == 0.0


def test_the_right_password_ends_the_wait() -> None:
    attempts = Attempts()
    for _ in range(N_FREE + 1):
        attempts.note_wrong("a", 0.0)
    attempts.note_right("a")
    assert attempts.wait_s("a", 0.0) == 0.0


def test_whoever_has_many_addresses_waits_with_all_others() -> None:
    attempts = Attempts()
    for number in range(MAX_ADDRESSES + N_FREE):
        attempts.note_wrong(f"address {number}", 0.0)
    assert attempts.wait_s("one more", 0.0) > 0
