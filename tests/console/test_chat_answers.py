"""Chat answers: their sources, images and audio, feedback, and follow-ups."""

import asyncio
import io
import json
import threading
import wave
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, ViewportSize, expect

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.workflows import app, node
from tests.console.album import keep
from tests.console.apps import placed
from tests.console.conftest import HANDBOOK, LARGE, SMALL, Site, Visit, site_in, wait_for
from tests.console.gallery import providers
from tests.console.pictures import png
from tests.effort import PATIENCE, trusted
from tests.providers.fake_model import Exchange, delta, whole
from tests.providers.model_thread import Model

OPENAI = "langgenius/openai/openai"
FOLLOWING = ["なぜ <b>?</b> 🙂", "And lamps?"]
FILES = {"enabled": True, "allowed_file_types": ["image", "audio"], "allowed_file_upload_methods": ["local_file"],
         "number_limits": 5}  # fmt: skip
WORDS = {
    "en-US": (
        *("Good answer", "Note", "What is good or bad about it", "Save", "Save as annotation", "Answer to give to it"),
        *("does not answer by annotations yet", "Done", "Suggested questions", "2 sources", "Message"),
    ),
    "ja-JP": (
        *("良い回答", "メモ", "良い点、良くない点", "保存", "注釈として保存", "返す回答"),
        *("まだ注釈で回答しません", "完了", "質問の候補", "出典 2 件", "メッセージ"),
    ),
}


def talk(dataset: str) -> str:
    """A chat that looks a question up and has a model answer it."""
    model = {"provider": OPENAI, "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "system", "text": "{{#context#}}"}, {"role": "user", "text": "{{#sys.query#}}"}]
    found = node(
        "found",
        "knowledge-retrieval",
        dataset_ids=[dataset],
        query_variable_selector=["sys", "query"],
        retrieval_mode="multiple",
        multiple_retrieval_config={"top_k": 3, "reranking_enable": False},
    )
    context = {"enabled": True, "variable_selector": ["found", "result"]}
    content = json.loads(
        app(
            "Answers",
            [
                node("start", "start", variables=[]),
                found,
                node("llm", "llm", model=model, prompt_template=prompt, context=context),
                node("answer", "answer", answer="{{#llm.text#}}{{#sys.files#}}"),
            ],
            "start>found>llm>answer",
            mode="advanced-chat",
        )
    )
    content["workflow"]["features"] = {
        "suggested_questions_after_answer": {"enabled": True},
        "retriever_resource": {"enabled": True},
        "file_upload": FILES,
    }
    return placed(json.dumps(content))


class Speaker:
    """Answers once it may, in many lines, and suggests questions."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    async def answer(self, exchange: Exchange) -> None:
        if not exchange.body.get("stream"):
            await whole({"content": json.dumps(FOLLOWING)})(exchange)
            return
        await exchange.begin_stream()
        for line in range(20):
            await exchange.event(delta(f"Line {line} of the answer.\n\n"))
        await asyncio.to_thread(self.may_end.wait)
        await exchange.event(delta("The last words."))
        await exchange.event(delta(finish="stop"))
        await exchange.end_stream()


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer, built: Path, speaker: Speaker) -> Iterator[Site]:
    """A server whose chat has a model and a dataset."""
    folder = tmp_path_factory.mktemp("answers")
    model = Model(speaker.answer)
    config = json.loads(providers(model.model.url))
    config["defaults"] = {"llm": {"provider": OPENAI, "model": "gpt-4o"}}
    (folder / "providers.yml").write_text(json.dumps(config), encoding="utf-8")
    site = site_in(folder, echo, {}, settings={"JIKKO_PROVIDERS": str(folder / "providers.yml")})
    (folder / "books").mkdir()
    for name, text in HANDBOOK.items():
        (folder / "books" / name).write_text(text, encoding="utf-8")
    site.command("knowledge", "add", "handbook", folder / "books", "--technique", "economy")
    [dataset] = site.api("GET", "datasets").json()["data"]
    files = [("files", ("answers.yml", talk(dataset["id"]).encode()))]
    assert site.api("POST", "apps", files=files).status_code == 200
    yield site
    speaker.may_end.set()
    site.server.close()
    model.close()


@pytest.fixture
def chat(chats: Site, speaker: Speaker) -> str:
    """The id of the chat, whose answers have an end."""
    speaker.may_end.set()
    return str(chats.api("GET", "apps").json()["data"][0]["id"])


def field(page: Page, name: str = "Message") -> Locator:
    return page.get_by_role("textbox", name=name, exact=True)


def answered(site: Site, chat: str, query: str, **more: object) -> str:
    """Ask, and wait for the answer. Returns the conversation."""
    turn = site.api("POST", f"apps/{chat}/messages", json={"query": query, "inputs": {}, **more}).json()
    site.wait(turn["run_id"])
    return str(turn["conversation_id"])


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_an_answer_is_rated_noted_and_annotated_by_keyboard(
    chats: Site, visit: Visit, chat: str, axe: str, locale: str
) -> None:
    good, note, about, save, annotate, answer, off, close, suggested, sources, message = WORDS[locale]
    page = visit(f"/chat/{chat}", at=chats, locale=locale)
    field(page, message).fill("lamp refunds 休暇")
    field(page, message).press("Enter")
    article = page.get_by_role("article")
    expect(article).to_contain_text("The last words.")
    following = page.get_by_role("group", name=suggested).get_by_role("button")
    expect(following).to_have_text(FOLLOWING)

    article.get_by_role("button", name=good).press("Enter")
    expect(article.get_by_role("button", name=good)).to_have_attribute("aria-pressed", "true")
    article.get_by_role("button", name=note, exact=True).press("Enter")
    field(page, about).fill("短い 🙂 <b>x</b>")
    keep(page, f"answer-note-{locale}", axe, both=True)
    page.get_by_role("button", name=save, exact=True).press("Enter")
    expect(article).to_contain_text("短い 🙂 <b>x</b>")
    expect(article.get_by_role("button", name=note, exact=True)).to_be_focused()
    article.get_by_text(sources).press("Enter")
    expect(article.locator(".segment").first).to_be_visible()
    keep(page, f"answer-sources-{locale}", axe)

    article.get_by_role("button", name=annotate).press("Enter")
    field(page, answer).fill("十日です 🙂")
    keep(page, f"answer-annotate-{locale}", axe, both=True)
    page.get_by_role("button", name=save, exact=True).press("Enter")
    expect(page.get_by_role("status").filter(has_text=off)).to_be_visible()
    page.get_by_role("button", name=close).press("Enter")

    conversation = page.url.rpartition("/")[2].partition("?")[0]
    [kept] = chats.api("GET", f"conversations/{conversation}/messages").json()["data"]
    assert (kept["rating"], kept["note"]) == ("like", "短い 🙂 <b>x</b>")
    key = chats.api("POST", f"apps/{chat}/keys").json()["key"]
    found = httpx.get(
        f"{chats.server.url}/v1/apps/annotations",
        headers={"Authorization": f"Bearer {key}"},
        verify=trusted(),
        timeout=PATIENCE,
    ).json()
    assert ("lamp refunds 休暇", "十日です 🙂") in [(one["question"], one["answer"]) for one in found["data"]]
    following.first.press("Enter")
    answers = page.locator("article.a")
    expect(answers).to_have_count(2)
    expect(answers.last).to_contain_text("The last words.")


def test_pictures_and_sounds_of_an_answer_are_seen_and_heard(
    chats: Site, visit: Visit, chat: str, axe: str, tmp_path: Path
) -> None:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as written:
        written.setparams((1, 2, 8000, 0, "NONE", ""))
        written.writeframes(bytes(16_000))
    files = []
    for name, kind, content in (("絵.png", "image", png(40, 30)), ("音.wav", "audio", sound.getvalue())):
        form = {"file": (name, content, f"{kind}/{name[-3:]}")}
        stored = chats.api("POST", f"apps/{chat}/files", files=form).json()
        files.append({"type": kind, "transfer_method": "local_file", "upload_file_id": stored["id"]})
    conversation = answered(chats, chat, "show them", files=files, user="console:operator")
    page = visit(f"/chat/{chat}/{conversation}", at=chats)
    article = page.get_by_role("article")
    picture, heard = article.get_by_role("img", name="絵.png"), article.locator('audio[aria-label="音.wav"]')
    expect(picture).to_be_visible()
    wait_for(lambda: picture.evaluate("image => image.naturalWidth") == 40)
    heard.evaluate("sound => sound.load()")
    wait_for(lambda: heard.evaluate("sound => sound.duration") == 1)
    keep(page, "answer-files", axe)


def place_of(part: Locator) -> tuple[float, float, float]:
    """Where it begins, and its height: *Stop* beside it, which goes, has a width."""
    box = part.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["height"]


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["large", "small"])
def test_nothing_jumps_when_an_answer_ends(
    chats: Site, visit: Visit, chat: str, speaker: Speaker, size: ViewportSize
) -> None:
    speaker.may_end.clear()
    page = visit(f"/chat/{chat}", at=chats, size=size)
    field(page).fill("lamp")
    field(page).press("Enter")
    expect(page.get_by_role("article")).to_contain_text("Line 19")
    page.evaluate(
        """() => {
            const seen = window.seen = []
            const look = () => {
                const lines = [...document.querySelectorAll('article p')]
                const line = lines.find(p => p.textContent.includes('Line 19'))
                if (line) seen.push(Math.round(line.getBoundingClientRect().top))
                requestAnimationFrame(look)
            }
            look()
        }"""
    )
    typed = field(page)
    typed.fill("the next question")
    # The page may still be on its way to the words that it has.
    wait_for(lambda: page.evaluate("window.seen.length > 9 && new Set(window.seen.slice(-9)).size === 1"))
    before = place_of(typed)
    page.evaluate("window.seen.length = 0")
    speaker.may_end.set()
    expect(page.get_by_role("article")).to_contain_text("Succeeded")
    expect(page.get_by_role("group", name="Suggested questions")).to_be_attached()
    places = page.evaluate("window.seen")
    # The last words push the lines before them up, once; what comes with the end pushes nothing.
    assert len(set(places)) <= 2, places
    assert place_of(typed) == before
    expect(typed).to_have_value("the next question")
    expect(typed).to_be_focused()


def test_what_is_written_while_a_question_is_sent_stays(chats: Site, visit: Visit, chat: str) -> None:
    page = visit(f"/chat/{chat}", at=chats)
    held: list[Route] = []
    page.route("**/api/apps/*/messages", lambda route: held.append(route))
    field(page).fill("lamp 1")
    field(page).press("Enter")
    wait_for(lambda: page.evaluate("1") == 1 and len(held) == 1)
    field(page).press_sequentially("und dann 🙂")
    held.pop().fulfill(status=503, json={"code": "too_many_requests", "message": "満員", "status": 503})
    expect(page.get_by_role("alert")).to_be_visible()
    expect(field(page)).to_have_value("lamp 1\nund dann 🙂")

    field(page).fill("lamp 2")
    field(page).press("Enter")
    wait_for(lambda: page.evaluate("1") == 1 and len(held) == 1)
    expect(field(page)).to_have_value("")
    field(page).press_sequentially("次の質問 🙂")
    held.pop().continue_()
    # A conversation begins with it: what was written goes on in there, and is there when one comes back.
    page.wait_for_url(f"**/chat/{chat}/*")
    expect(page.get_by_role("article")).to_contain_text("The last words.")
    expect(field(page)).to_have_value("次の質問 🙂")
    expect(field(page)).to_be_focused()
    page.reload()
    expect(field(page)).to_have_value("次の質問 🙂")
    page.goto(f"{chats.url}/chat/{chat}")
    expect(field(page)).to_have_value("")


def test_the_run_behind_an_answer_is_seen_on_a_telephone(chats: Site, visit: Visit, chat: str, axe: str) -> None:
    conversation = answered(chats, chat, "lamp")
    page = visit(f"/chat/{chat}/{conversation}", at=chats, size=SMALL)
    page.get_by_role("button", name="Its run").press("Enter")
    dialog = page.get_by_role("dialog", name="Run of this answer")
    expect(dialog).to_contain_text("found")
    expect(dialog.get_by_role("link", name="Open")).to_be_visible()
    keep(page, "answer-run", axe)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_who_only_looks_sees_what_is_thought_and_nothing_is_suggested(chats: Site, visit: Visit, chat: str) -> None:
    key = chats.api("POST", f"apps/{chat}/keys").json()["key"]
    with closing(Client(chats.server.url, key, "ada")) as client:
        ask = {"query": "lamp", "inputs": {}, "user": "ada", "response_mode": "blocking"}
        turn = client.request("POST", "/v1/chat-messages", json=ask).json()
        said = {"rating": "dislike", "content": "遅い 🐢", "user": "ada"}
        assert client.request("POST", f"/v1/messages/{turn['message_id']}/feedbacks", json=said).status_code == 200
    for token, annotates in ((chats.viewer, 0), (chats.operator, 1)):
        page = visit(f"/chat/{chat}/{turn['conversation_id']}", at=chats, token=token)
        article = page.get_by_role("article")
        expect(article.get_by_role("img", name="Rated bad by its user")).to_be_visible()
        expect(article).to_contain_text("遅い 🐢")
        expect(article.get_by_role("button", name="Bad answer")).to_have_count(0)
        expect(article.get_by_role("button", name="Save as annotation")).to_have_count(annotates)
        expect(page.get_by_role("group", name="Suggested questions")).to_have_count(0)
