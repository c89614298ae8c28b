"""``jikko chat``, on a terminal and through pipes, with a server that answers by a script."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.chat_server import CONVERSATION, MESSAGE, TASK, ChatServer
from tests.acceptance.processes import Command, Outcome
from tests.acceptance.terminal import CTRL_C, CTRL_D, TAB, UP, Terminal
from tests.effort import PATIENCE

CUP = [{"text-input": {"variable": "cup", "label": "Which cup", "type": "text-input", "required": True}}]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    server = ChatServer(file_upload={"enabled": True})
    yield server
    server.close()


def talk(server: ChatServer, home: Path, **settings: str) -> Terminal:
    return Terminal(home, ["chat", "--url", server.url, "--key", "app-right", "--user", "anna"], **settings)


def piped(server: ChatServer, home: Path, lines: str, *options: str, key: str = "app-right") -> Outcome:
    return Command(home)("chat", "--url", server.url, "--key", key, *options, given=lines)


def test_until_there_is_text_the_line_says_which_node_the_answer_waits_for(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path, TERM="xterm") as terminal:
        terminal.wait_for("> ")
        terminal.say("THINK 世界")
        terminal.wait_for("(考える 🤔 …)")
        server.thought.set()
        # It is erased, and the answer takes its place.
        terminal.wait_for("\r\x1b[KTHINK 世界 \r\n")


def test_a_pipe_gets_the_answer_alone(server: ChatServer, tmp_path: Path) -> None:
    server.thought.set()
    outcome = piped(server, tmp_path, "THINK 世界\n", "-")
    assert (outcome.out, "考える" in outcome.err) == ("THINK 世界 \n", False)


def test_questions_of_one_conversation_are_answered_one_after_the_other(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say("Hello 世界 🎉")
        terminal.wait_for("Hello 世界 🎉 \r\n")
        terminal.say("again")
        terminal.wait_for("again \r\n")
        terminal.wait_for("> ")
        terminal.type(CTRL_D)
        code = terminal.ended()

    assert code == 0
    assert [(body["query"], body["conversation_id"], body["user"]) for body in server.asked] == [
        ("Hello 世界 🎉", "", "anna"),
        ("again", CONVERSATION, "anna"),
    ]


def test_arrow_keys_bring_back_what_was_asked(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say("first 一")
        terminal.wait_for("first 一 \r\n")
        terminal.wait_for("> ")
        terminal.type(UP)
        terminal.say("!")
        terminal.wait_for("first 一! \r\n")

    assert [body["query"] for body in server.asked] == ["first 一", "first 一!"]


def test_ctrl_c_stops_the_answer_and_not_the_program(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say("please WAIT")
        terminal.wait_for("please WAIT ")
        terminal.type(CTRL_C)
        terminal.wait_for("(stopped)")
        terminal.wait_for("> ")
        terminal.say("and on")
        terminal.wait_for("and on \r\n")

    assert server.stops == [f"/v1/chat-messages/{TASK}/stop"]


def test_an_answer_that_does_not_stop_is_abandoned_at_the_second_ctrl_c(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say("please THINK")
        terminal.wait_for("考える 🤔")
        terminal.type(CTRL_C)
        assert server.stopped.wait(PATIENCE)
        terminal.type(CTRL_C)
        terminal.wait_for("> ")
        terminal.say("and on")
        terminal.wait_for("and on \r\n")

    assert len(server.stops) == 1


def test_ctrl_c_at_the_prompt_says_how_to_leave(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.type("half a line")
        # It listens once it has shown what was typed.
        terminal.wait_for("half a line")
        terminal.interrupt_until("Ctrl-D ends the conversation")
        terminal.wait_for("> ")
        terminal.say("whole")
        terminal.wait_for("whole \r\n")

    assert [body["query"] for body in server.asked] == ["whole"]


def test_a_file_is_attached_by_its_path_which_tab_completes(server: ChatServer, tmp_path: Path) -> None:
    picture = tmp_path / "写真 1.png"
    picture.write_bytes(b"\x89PNG")
    (tmp_path / "plain.txt").write_text("text")
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say(f'what is @"{picture}" ?')
        terminal.wait_for("what is ? \r\n")
        terminal.wait_for("> ")
        terminal.type(f"and @{tmp_path}/pla{TAB}")
        terminal.wait_for("plain.txt")
        terminal.say("")
        terminal.wait_for("and \r\n")

    first, second = server.asked
    assert first["query"] == "what is ?"
    assert first["files"] == [{"type": "image", "transfer_method": "local_file", "upload_file_id": "file-1"}]
    assert second["files"][0]["upload_file_id"] == "file-2"
    assert b'filename="\xe5\x86\x99\xe7\x9c\x9f 1.png"' in server.uploads[0]
    assert b"\x89PNG" in server.uploads[0]


def test_a_file_that_is_not_there_is_told_and_nothing_is_asked(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say("look at @nothing.pdf and mail @bob")
        terminal.wait_for("no file nothing.pdf")

    assert server.asked == []


def test_what_the_app_says_first_is_shown_and_inputs_are_asked_for(tmp_path: Path) -> None:
    server = ChatServer(opening_statement="Welcome 🙂", suggested_questions=["What is this?"], user_input_form=CUP)
    try:
        with talk(server, tmp_path) as terminal:
            terminal.wait_for("Which cup")
            terminal.say("blue 青")
            terminal.wait_for("Welcome 🙂")
            terminal.wait_for("What is this?")
            terminal.wait_for("> ")
            terminal.say("hi")
            terminal.wait_for("hi \r\n")
        assert server.asked[0]["inputs"] == {"cup": "blue 青"}
    finally:
        server.close()


def test_a_form_is_asked_for_and_the_answer_goes_on(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say("the FORM")
        terminal.wait_for("Approve 承認")
        terminal.wait_for("Shall I?")
        terminal.wait_for("action")
        terminal.say("no")
        terminal.wait_for("you chose no")

    assert server.forms == [{"inputs": {}, "action": "no", "user": "anna"}]


def test_a_form_that_only_another_person_can_open_is_told(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say("a FORM by MAIL")
        terminal.wait_for("waits for another person, by e-mail or on another page")

    assert server.forms == []


def test_an_answer_that_is_taken_back_is_followed_by_what_stands_for_it(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say("REPLACE me")
        terminal.wait_for("no comment\r\n")
        terminal.wait_for("retracted")


@pytest.mark.parametrize(
    ("question", "message"),
    [("FAIL now", "Error: the model is gone"), ("REFUSE me", "Error: that will not do"), ("GONE", "does not answer")],
)
def test_a_question_without_an_answer_ends_nothing(
    server: ChatServer, tmp_path: Path, question: str, message: str
) -> None:
    with talk(server, tmp_path) as terminal:
        terminal.wait_for("> ")
        terminal.say(question)
        terminal.wait_for(message)
        terminal.say("next")
        terminal.wait_for("next \r\n")


def test_new_begins_a_new_conversation(server: ChatServer, tmp_path: Path) -> None:
    with talk(server, tmp_path) as terminal:
        for line in ("one", "/new", "two"):
            terminal.wait_for("> ")
            terminal.say(line)
        terminal.wait_for("two \r\n")
        terminal.say("/id")
        terminal.wait_for(CONVERSATION)
        terminal.say("/help")
        terminal.wait_for("Ctrl-C stops the answer")

    assert [body["conversation_id"] for body in server.asked] == ["", ""]


@pytest.mark.parametrize("settings", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_nothing_is_colored_where_it_is_not_wanted(
    server: ChatServer, tmp_path: Path, settings: dict[str, str]
) -> None:
    with talk(server, tmp_path, **settings) as terminal:
        terminal.wait_for("> ")
        terminal.say("FAIL now")
        terminal.wait_for("Error")
        terminal.wait_for("> ")
        terminal.type(CTRL_D)
        terminal.ended()
        seen = terminal.seen.replace("\x1b[?2004h", "").replace("\x1b[?2004l", "")

    assert "\x1b[" not in seen


def test_what_steers_a_terminal_is_not_handed_on(server: ChatServer, tmp_path: Path) -> None:
    outcome = piped(server, tmp_path, "a\x1b[31mred\x07\ud800b\n".encode("utf-8", "replace").decode())

    assert outcome.code == 0
    assert outcome.out == "a [31mred ?b \n"


def test_each_line_of_a_pipe_is_a_question_and_only_answers_are_printed(server: ChatServer, tmp_path: Path) -> None:
    outcome = piped(server, tmp_path, "one 一\n\n  \ntwo\n")

    assert (outcome.code, outcome.out, outcome.err) == (0, "one 一 \ntwo \n", "")
    assert [body["conversation_id"] for body in server.asked] == ["", CONVERSATION]


def test_each_turn_may_be_a_line_of_json(server: ChatServer, tmp_path: Path) -> None:
    outcome = piped(server, tmp_path, "one\nFAIL\n", "--json")

    first, second = outcome.lines
    assert outcome.code == 1
    assert first == {
        "query": "one",
        "answer": "one ",
        "status": "succeeded",
        "error": None,
        "conversation_id": CONVERSATION,
        "message_id": MESSAGE,
        "metadata": {"usage": {"total_tokens": 3}},
    }
    assert (second["status"], second["error"]) == ("failed", "the model is gone 🙁")


@pytest.mark.parametrize(
    ("lines", "code"), [("FAIL\nfine\n", 1), ("fine\nREFUSE\nFAIL\n", 3), ("FORM\n", 5), ("@no.txt\n", 3)]
)
def test_the_exit_code_is_that_of_the_first_question_without_an_answer(
    server: ChatServer, tmp_path: Path, lines: str, code: int
) -> None:
    assert piped(server, tmp_path, lines).code == code


def test_a_conversation_can_be_gone_on_with(server: ChatServer, tmp_path: Path) -> None:
    piped(server, tmp_path, "on\n", "--conversation", "an-id")

    assert server.asked[0]["conversation_id"] == "an-id"


def test_a_wrong_key_is_refused(server: ChatServer, tmp_path: Path) -> None:
    outcome = piped(server, tmp_path, "one\n", key="app-wrong")

    assert (outcome.code, outcome.out) == (11, "")
    assert "Access token is invalid" in outcome.err


@pytest.mark.parametrize("form", [CUP, [{"text-input": {"variable": "cup", "label": "Which cup", "required": True}}]])
def test_inputs_that_are_missing_are_told_where_nobody_can_be_asked(form: list[Any], tmp_path: Path) -> None:
    server = ChatServer(user_input_form=form)
    try:
        missing = piped(server, tmp_path, "one\n")
        given = piped(server, tmp_path, "one\n", "-i", "cup=red")
        assert missing.code == 3
        assert "missing input: cup" in missing.err
        assert given.code == 0
        assert [body["inputs"] for body in server.asked] == [{"cup": "red"}]
    finally:
        server.close()


def test_the_example_of_what_is_missing_said_file_where_a_server_was_meant(tmp_path: Path) -> None:
    server = ChatServer(user_input_form=CUP)
    try:
        missing = piped(server, tmp_path, "one\n")
        assert f"Example: jikko chat --url {server.url} -i cup=text" in missing.err
        assert "app-right" not in missing.err
    finally:
        server.close()


def test_an_app_without_chat_is_told_how_to_run(tmp_path: Path) -> None:
    server = ChatServer(mode="workflow")
    try:
        outcome = piped(server, tmp_path, "one\n")
        assert outcome.code == 1
        assert "jikko run FILE" in outcome.err
    finally:
        server.close()


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    outcome = Command(tmp_path)("chat", "--url", "http://127.0.0.1:9", "--key", "app-x", "--json", given="x\n")

    assert outcome.code == 10
    assert json.loads(outcome.err)["code"] == "no_server"


@pytest.mark.parametrize(
    "arguments",
    [[], ["flow.yml", "--app", "x"], ["--url", "http://x.test"], ["flow.yml", "--inputs", "-"]],
)
def test_it_must_be_said_with_whom_to_talk(tmp_path: Path, arguments: list[str]) -> None:
    assert Command(tmp_path)("chat", *arguments).code == 2
