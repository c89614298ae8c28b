"""Pages of conversation variables, in Dify's order."""

import itertools

from jikko.http.routes.conversations.conversations import page_of
from tests.contract.conversations import variable


def test_every_variable_is_on_one_page() -> None:
    for count, limit in itertools.product(range(12), range(1, 12)):
        variables = [variable(str(number)) for number in range(count)]
        seen: list[str] = []
        after, has_more = None, True
        while has_more:
            page, has_more = page_of(variables, limit, after)
            assert len(page) == min(limit, count - len(seen)), (count, limit)
            seen += [one.name for one in page]
            after = page[-1].id if page else None

        assert sorted(seen) == sorted(one.name for one in variables), (count, limit)
        assert page_of(variables, limit, after) == ([], False) or after is None, (count, limit)


def test_few_are_in_the_order_in_which_they_were_made_and_a_small_page_of_many_is_not() -> None:
    variables = [variable(str(number)) for number in range(9)]

    assert [one.name for one in page_of(variables, 20, None)[0]] == list("012345678")
    assert [one.name for one in page_of(variables, 2, None)[0]] == list("12")
