"""Which worker takes over the runs of workers that died, and which leads."""

from jikko.cluster.cluster_messages import Lead, Members, Message, TakeOver
from jikko.cluster.membership import Membership, Outbox
from jikko.ports.cluster import OrphanedRuns


def sent(outbox: Outbox, kind: type[Message]) -> list[tuple[str, Message]]:
    return [(name, message) for name, message in outbox if isinstance(message, kind)]


def orphans(outbox: Outbox) -> dict[str, list[OrphanedRuns]]:
    return {name: message.orphans for name, message in outbox if isinstance(message, TakeOver)}


def serve(membership: Membership, *names: str) -> Outbox:
    """Workers come and take over what they are told to."""
    outbox: Outbox = []
    for name in names:
        taken = orphans(membership.assembled(name))[name]
        outbox += membership.serves(name)
        membership.took_over(name, taken)
    return outbox


def test_the_runs_of_earlier_servers_are_shared_out() -> None:
    membership = Membership(2)

    first, second = membership.assembled("a"), membership.assembled("b")

    assert orphans(first) == {"a": [OrphanedRuns(share=0, of=2)]}
    assert orphans(second) == {"b": [OrphanedRuns(share=1, of=2)]}


def test_one_is_told_who_there_is_before_what_it_is_to_take_over() -> None:
    membership = Membership(2)
    membership.assembled("a")

    members = Members(["a", "b"])
    assert membership.assembled("b")[:-1] == [("a", members), ("b", members)]


def test_what_is_offered_goes_to_those_that_serve_unless_it_is_cared_for() -> None:
    membership = Membership(2)
    serve(membership, "a", "b")
    gone = OrphanedRuns(holder="gone/1")

    assert orphans(membership.offered(gone)) == {"a": [gone]}
    assert membership.offered(gone) == []
    assert membership.offered(OrphanedRuns(holder="b")) == []
    membership.took_over("a", [gone])
    assert orphans(membership.offered(gone)) == {"a": [gone]}


def test_one_that_serves_leads() -> None:
    membership = Membership(2)

    assert serve(membership, "a", "b") == [("a", Lead())]
    assert membership.serving == ["a", "b"]


def test_those_that_are_left_share_what_one_leaves_and_another_leads() -> None:
    membership = Membership(3)
    serve(membership, "a", "b", "c")

    outbox = membership.died("a")

    assert sent(outbox, Members) == [("b", Members(["b", "c"])), ("c", Members(["b", "c"]))]
    assert orphans(outbox) == {
        "b": [OrphanedRuns(holder="a", share=0, of=2)],
        "c": [OrphanedRuns(holder="a", share=1, of=2)],
    }
    assert sent(outbox, Lead) == [("b", Lead())]
    assert "a" not in membership


def test_what_a_member_had_not_taken_over_goes_on_to_the_next() -> None:
    membership = Membership(3)
    serve(membership, "a", "b", "c")
    [from_a] = orphans(membership.died("a"))["b"]

    left = orphans(membership.died("b"))["c"]

    assert sorted(left, key=lambda entry: entry.holder) == [from_a, OrphanedRuns(holder="b")]


def test_what_a_new_holder_has_taken_over_is_not_handed_on_again() -> None:
    membership = Membership(3)
    serve(membership, "a", "b", "c")
    membership.took_over("b", orphans(membership.died("a"))["b"])

    assert orphans(membership.died("b")) == {"c": [OrphanedRuns(holder="b")]}


def test_when_nobody_is_left_the_next_ones_take_over() -> None:
    membership = Membership(2)
    serve(membership, "a", "b")
    share = orphans(membership.died("a"))["b"]
    assert orphans(membership.died("b")) == {}

    taken = [entry for name in ("c", "d") for entry in orphans(membership.assembled(name))[name]]

    assert sorted(taken, key=lambda entry: entry.holder) == [*share, OrphanedRuns(holder="b")]


def test_one_that_dies_before_it_served_leaves_its_share() -> None:
    membership = Membership(1)
    membership.assembled("a")
    membership.died("a")

    assert OrphanedRuns(share=0, of=1) in orphans(membership.assembled("b"))["b"]


def test_one_that_dies_before_it_served_leaves_what_it_had_taken_over() -> None:
    membership = Membership(2)
    serve(membership, "a")
    membership.took_over("b", orphans(membership.assembled("b"))["b"])

    assert orphans(membership.died("b")) == {"a": [OrphanedRuns(holder="b")]}


def test_one_that_serves_before_it_has_taken_over_leaves_that_too() -> None:
    membership = Membership(2)
    serve(membership, "a")
    [share] = orphans(membership.assembled("b"))["b"]
    membership.serves("b")

    assert orphans(membership.died("b")) == {"a": [share, OrphanedRuns(holder="b")]}


def test_one_that_was_never_there_leaves_nothing() -> None:
    assert Membership(1).died("a") == []


def test_nothing_is_handed_on_when_the_server_ends() -> None:
    membership = Membership(2)
    serve(membership, "a", "b")
    membership.close()

    assert membership.died("a") == [("b", Members(["b"]))]
