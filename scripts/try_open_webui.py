"""Trial of an unmodified Open WebUI from PyPI with a chat app, in a real browser; run by hand: it downloads a gigabyte.

    python -m scripts.try_open_webui PYTHON     # PYTHON: 3.11 or 3.12, for which it is published

Installs it into ``build/open-webui``, without the libraries that run models locally. A user signs up, finds the app as
a model, asks twice, and asks about a picture. Prints the results; exits with 1 if something was missing.
"""

import base64
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import FilePayload, Page
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, node, start
from tests.chromium import chromium
from tests.free_ports import free_port

_PLACE: Final = Path("build/open-webui")
_LEFT_OUT: Final = "torch sentence-transformers accelerate transformers faster-whisper rapidocr opencv-python-headless"
_PICTURE: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def installed(python: str) -> Path:
    """Return the command, reusing an earlier installation."""
    command = (_PLACE / "bin" / "open-webui").absolute()
    if command.exists():
        return command
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", python, _PLACE], check=True)
    overrides = _PLACE / "left-out.txt"
    overrides.write_text("".join(f"{name} ; sys_platform == 'none'\n" for name in _LEFT_OUT.split()))
    install: list[str | Path] = [
        "pip",
        "install",
        "--quiet",
        "--python",
        _PLACE / "bin" / "python",
        "--override",
        overrides,
    ]
    subprocess.run([*uv, *install, "open-webui"], check=True)
    return command


def chat_app(folder: Path) -> Path:
    """Return a chat app with memory that accepts pictures and echoes the question."""
    named = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    memory = {"window": {"enabled": True, "size": 10}, "query_prompt_template": "{{#sys.query#}}"}
    prompt = [{"role": "system", "text": "Tell."}]
    vision = {"enabled": True, "configs": {"detail": "high", "variable_selector": ["sys", "files"]}}
    llm = node(
        "llm", "llm", model=named, prompt_template=prompt, memory=memory, context={"enabled": False}, vision=vision
    )
    answer = node("answer", "answer", answer="{{#llm.text#}} — turn {{#sys.dialogue_count#}}: {{#sys.query#}}")
    upload = {"enabled": True, "allowed_file_types": ["image"], "allowed_file_upload_methods": ["local_file"]}
    nodes, features = [start(), llm, answer], {"file_upload": upload}
    file = folder / "chat.yml"
    file.write_text(app("助手 🙂", nodes, "start>llm>answer", mode="advanced-chat", features=features), "utf-8")
    return file


def walked(page: Page, url: str) -> None:
    """Sign up, and ask three times."""
    page.goto(url)
    page.get_by_text("Get started").click()
    for field, text in (("name", "Tester"), ("email", "tester@example.com"), ("password", "a long enough word")):
        page.locator(f"#{field}").fill(text)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Okay, Let's Go!").click()
    question = page.locator("#chat-input")
    picture = FilePayload(name="絵.png", mimeType="image/png", buffer=_PICTURE)
    for number, text in enumerate(("最初の質問 🙂", "and again", "what is on it?"), start=1):
        if number == 3:
            page.locator("input[type=file]").first.set_input_files(picture)
            page.locator("img[src*=files], img[src^=data]").first.wait_for()
        question.click()
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        try:
            page.get_by_text(f"— turn {number}:").first.wait_for()
        finally:
            page.screenshot(path=_PLACE / f"turn-{number}.png")
        print(f"answered: {text}")


def main() -> int:
    """Return the exit code."""
    command = installed(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        jikko = Command(Path(folder) / "jikko")
        [entry] = jikko.json("apps", "import", chat_app(Path(folder)))
        with closing(Server(jikko.home, options=["--fake-models"])) as server:
            port = free_port()
            settings = {
                "DATA_DIR": f"{folder}/data",
                "OFFLINE_MODE": "true",
                "ENABLE_OLLAMA_API": "false",
                "OPENAI_API_BASE_URL": f"{server.url}/v1",
                "OPENAI_API_KEY": entry["api_key"],
                "RAG_EMBEDDING_ENGINE": "openai",
                "WEBUI_SECRET_KEY": "0123456789abcdef",
            }
            words: list[str | Path] = [command, "serve", "--host", "127.0.0.1", "--port", str(port)]
            with open(f"{folder}/log", "wb") as log:
                process = subprocess.Popen(words, env={**os.environ, **settings}, cwd=folder, stdout=log, stderr=log)
            try:
                url = f"http://127.0.0.1:{port}"
                _await(process, f"{url}/health")
                with chromium() as browser:
                    walked(browser.new_page(), url)
                return _report(jikko)
            finally:
                process.kill()
                process.wait()


def _await(process: "subprocess.Popen[bytes]", url: str) -> None:
    while process.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise SystemExit("open-webui has ended")


def _report(jikko: Command) -> int:
    """Check that each request was a run: the user's, and optional ones for titles, tags and follow-up questions."""
    runs = jikko.json("runs", "list")
    statuses = {run["status"] for run in runs}
    pictures = sum(len(run["inputs"].get("sys.files") or []) for run in runs)
    print(f"{len(runs)} runs, {', '.join(sorted(statuses))}; pictures that came: {pictures}")
    return 0 if statuses == {"succeeded"} and pictures else 1


if __name__ == "__main__":
    raise SystemExit(main())
