"""Liveness as observed by one member, and silence that proves nothing."""

from jikko.cluster.nats.liveness import Liveness

ME, OTHER = "me/0", "other/0"


def all_say(liveness: Liveness, *names: str, at: float) -> None:
    for name in names:
        liveness.on_heartbeat(name, int(at), at)


def test_one_that_is_not_heard_of_for_its_time_is_gone_once() -> None:
    liveness = Liveness(ME, 10, 0)
    all_say(liveness, ME, OTHER, at=0)
    for second in range(3, 13, 3):
        all_say(liveness, ME, at=second)

    assert liveness.gone(9.9) == []
    assert liveness.gone(12.5) == [(OTHER, 0)]
    assert liveness.gone(13) == []
    assert liveness.members == {ME}


def test_one_that_hears_not_even_itself_takes_nobody_for_gone() -> None:
    liveness = Liveness(ME, 10, 0)
    all_say(liveness, ME, OTHER, at=0)

    assert liveness.gone(100) == []
    assert liveness.members == {ME, OTHER}


def test_after_a_silence_of_all_the_others_have_their_whole_time_again() -> None:
    liveness = Liveness(ME, 10, 0)
    all_say(liveness, ME, OTHER, at=0)

    for second in range(100, 111, 2):
        all_say(liveness, ME, at=second)
        assert liveness.gone(second) == []
    all_say(liveness, ME, at=112)

    assert liveness.gone(112) == [(OTHER, 0)]


def test_one_that_ends_in_good_order_is_no_member_and_never_found_to_be_gone() -> None:
    liveness = Liveness(ME, 10, 0)
    all_say(liveness, ME, OTHER, at=0)

    liveness.left(OTHER)
    liveness.left(ME)
    all_say(liveness, ME, at=20)

    assert liveness.members == {ME}
    assert liveness.gone(31) == liveness.gone(22) == []


def test_one_that_comes_back_is_a_member_and_may_be_gone_again() -> None:
    liveness = Liveness(ME, 10, 0)
    all_say(liveness, ME, OTHER, at=0)
    for second in range(2, 14, 2):
        all_say(liveness, ME, at=second)
    assert liveness.gone(12) == [(OTHER, 0)]

    liveness.on_heartbeat(OTHER, 7, 13)
    assert liveness.members == {ME, OTHER}
    for second in range(14, 26, 2):
        all_say(liveness, ME, at=second)
    assert liveness.gone(24) == [(OTHER, 7)]


def test_one_that_takes_more_time_for_itself_has_it() -> None:
    liveness = Liveness(ME, 10, 0)
    liveness.on_heartbeat(OTHER, 3, 0, 60)
    for second in range(3, 61, 3):
        liveness.on_heartbeat(ME, second, second, 10)
        assert liveness.gone(second) == []
    liveness.on_heartbeat(ME, 63, 63, 10)

    assert liveness.gone(63) == [(OTHER, 3)]


def test_one_that_takes_less_has_as_much_as_all() -> None:
    liveness = Liveness(ME, 10, 0)
    liveness.on_heartbeat(OTHER, 0, 0, 1)
    all_say(liveness, ME, at=9)

    assert liveness.gone(9) == []


def test_one_is_late_whose_heartbeat_has_not_come_in_its_turn() -> None:
    liveness = Liveness(ME, 10, 0)
    all_say(liveness, ME, OTHER, at=0)
    all_say(liveness, ME, at=3)

    assert not liveness.is_late(OTHER, 4.4)
    assert liveness.is_late(OTHER, 4.6)
    all_say(liveness, ME, OTHER, at=6)
    assert not liveness.is_late(OTHER, 6.1)


def test_one_that_takes_more_time_for_itself_is_late_later() -> None:
    liveness = Liveness(ME, 10, 0)
    liveness.on_heartbeat(OTHER, 0, 0, seconds=30)
    all_say(liveness, ME, at=9)

    assert not liveness.is_late(OTHER, 13.4)
    all_say(liveness, ME, at=12)
    assert liveness.is_late(OTHER, 13.6)


def test_all_are_late_for_one_that_does_not_hear_itself_and_so_is_one_that_is_no_member() -> None:
    liveness = Liveness(ME, 10, 0)
    liveness.on_heartbeat(OTHER, 0, 0, seconds=100)

    assert not liveness.is_late(OTHER, 4)
    assert liveness.is_late("stranger/0", 4)
    assert liveness.is_late(OTHER, 4.6)


def test_one_that_hears_nobody_for_its_time_is_cut_off_if_there_are_others() -> None:
    liveness = Liveness(ME, 10, 0)
    all_say(liveness, ME, at=0)
    assert not liveness.is_cut_off(100)

    all_say(liveness, ME, OTHER, at=100)
    assert [liveness.is_cut_off(now) for now in (109.9, 110.1)] == [False, True]
    all_say(liveness, ME, at=111)
    assert not liveness.is_cut_off(112)
