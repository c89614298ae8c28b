"""End users of an app."""

from jikko.apps.end_users import end_user


def test_an_end_user_is_the_same_whenever_it_is_asked_for() -> None:
    assert end_user("app-1", "利用者") == end_user("app-1", "利用者")


def test_users_of_one_name_are_different_in_each_app() -> None:
    # Files are found by their end user alone: see ``FileStore.find``.
    assert end_user("app-1", "ada") != end_user("app-2", "ada")
