"""Who takes over the runs of workers that died, and who is on duty."""

from jikko.cluster.membership import Membership, Said
from jikko.cluster.messages import Estate, Gone, Inherit, Message, OnDuty


def told(said: Said, kind: type[Message]) -> list[tuple[str, Message]]:
    return [(name, message) for name, message in said if isinstance(message, kind)]


def estates(said: Said) -> dict[str, list[Estate]]:
    return {name: message.estates for name, message in said if isinstance(message, Inherit)}


def serve(roster: Membership, *names: str) -> Said:
    """Workers come and take over what they are told to."""
    said: Said = []
    for name in names:
        taken = estates(roster.assembled(name))[name]
        said += roster.serves(name)
        roster.inherited(name, taken)
    return said


def test_the_runs_of_earlier_servers_are_shared_out() -> None:
    roster = Membership(2)

    first, second = roster.assembled("a"), roster.assembled("b")

    assert first == [("a", Inherit([Estate(left_by="", share=0, of=2)]))]
    assert second == [("b", Inherit([Estate(left_by="", share=1, of=2)]))]


def test_one_that_serves_is_on_duty() -> None:
    roster = Membership(2)

    assert serve(roster, "a", "b") == [("a", OnDuty())]
    assert roster.serving == ["a", "b"]


def test_those_that_are_left_share_what_one_leaves_and_one_takes_its_duty() -> None:
    roster = Membership(3)
    serve(roster, "a", "b", "c")

    said = roster.died("a")

    assert told(said, Gone) == [("b", Gone("a")), ("c", Gone("a"))]
    assert estates(said) == {
        "b": [Estate(left_by="a", share=0, of=2)],
        "c": [Estate(left_by="a", share=1, of=2)],
    }
    assert told(said, OnDuty) == [("b", OnDuty())]
    assert "a" not in roster


def test_what_an_heir_had_not_taken_over_goes_on_to_the_next() -> None:
    roster = Membership(3)
    serve(roster, "a", "b", "c")
    [from_a] = estates(roster.died("a"))["b"]

    left = estates(roster.died("b"))["c"]

    assert sorted(left, key=lambda estate: estate.left_by) == [from_a, Estate(left_by="b")]


def test_what_an_heir_has_taken_over_is_not_handed_on_again() -> None:
    roster = Membership(3)
    serve(roster, "a", "b", "c")
    roster.inherited("b", estates(roster.died("a"))["b"])

    assert estates(roster.died("b")) == {"c": [Estate(left_by="b")]}


def test_when_nobody_is_left_the_next_ones_take_over() -> None:
    roster = Membership(2)
    serve(roster, "a", "b")
    share = estates(roster.died("a"))["b"]
    assert estates(roster.died("b")) == {}

    taken = [estate for name in ("c", "d") for estate in estates(roster.assembled(name))[name]]

    assert sorted(taken, key=lambda estate: estate.left_by) == [*share, Estate(left_by="b")]


def test_one_that_dies_before_it_served_leaves_its_share() -> None:
    roster = Membership(1)
    roster.assembled("a")
    roster.died("a")

    assert Estate(left_by="", share=0, of=1) in estates(roster.assembled("b"))["b"]


def test_one_that_dies_before_it_served_leaves_what_it_had_taken_over() -> None:
    roster = Membership(2)
    serve(roster, "a")
    roster.inherited("b", estates(roster.assembled("b"))["b"])

    assert estates(roster.died("b")) == {"a": [Estate(left_by="b")]}


def test_one_that_serves_before_it_has_taken_over_leaves_that_too() -> None:
    roster = Membership(2)
    serve(roster, "a")
    [share] = estates(roster.assembled("b"))["b"]
    roster.serves("b")

    assert estates(roster.died("b")) == {"a": [share, Estate(left_by="b")]}


def test_one_that_was_never_there_leaves_nothing() -> None:
    assert Membership(1).died("a") == []


def test_nothing_is_handed_on_when_the_server_ends() -> None:
    roster = Membership(2)
    serve(roster, "a", "b")
    roster.close()

    assert roster.died("a") == [("b", Gone("a"))]
