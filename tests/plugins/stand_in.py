"""Plugin without the SDK: it speaks the pipe protocol, and does what the call's tool says.

Run as a program: ``stand_in.py [how to start]``.
"""

import json
import os
import signal
import sys
import threading
import time
from base64 import b64encode
from typing import Any

_lock = threading.Lock()
_answers: dict[str, Any] = {}


def write(text: str) -> None:
    with _lock:
        sys.stdout.write(text)
        sys.stdout.flush()


def line(value: object) -> None:
    write(json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n")


def say(session: str, kind: str, data: object = None) -> None:
    line({"event": "session", "session_id": session, "data": {"type": kind, "data": data}})


def text(session: str, words: str) -> None:
    say(session, "stream", {"type": "text", "message": {"text": words}})


def ask(session: str, kind: str, request: object) -> str:
    """Call the host, and return its complete answer as text."""
    number = f"{time.monotonic_ns()}-{threading.get_ident()}"
    done: dict[str, Any] = {"parts": [], "error": "", "over": threading.Event()}
    _answers[number] = done
    say(session, "invoke", {"type": kind, "backwards_request_id": number, "request": request})
    done["over"].wait(60)
    return f"error: {done['error']}" if done["error"] else json.dumps(done["parts"], ensure_ascii=False)


def chunk(session: str, id_: str, sequence: int, total: int, blob: bytes, end: bool) -> None:
    encoded = b64encode(blob).decode()
    message = {"id": id_, "sequence": sequence, "total_length": total, "blob": encoded, "end": end}
    say(session, "stream", {"type": "blob_chunk", "message": message, "meta": {"mime_type": "image/png"}})


def act(session: str, tool: str, given: dict[str, Any], data: dict[str, Any], whole: dict[str, Any]) -> None:
    match tool:
        case "echo":
            text(session, str(given.get("words", "")))
        case "parameters":
            say(session, "stream", {"type": "json", "message": {"json_object": data}})
        case "context":
            say(session, "stream", {"type": "json", "message": {"json_object": whole}})
        case "fail":
            write(given.get("printed", ""))
            say(session, "error", {"error_type": "ValueError", "message": given.get("words", "no"), "args": {}})
        case "error_without_end":
            say(session, "error", {"error_type": "ValueError", "message": "no", "args": {}})
            return
        case "twice":
            text(session, "once")
            say(session, "end")
        case "never":
            return
        case "wait":
            time.sleep(float(given["seconds"]))
            text(session, "waited")
        case "exit":
            os._exit(int(given.get("status", 0)))
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(60)
        case "stop_beating":
            with _lock:  # serializes writers
                while not os.path.exists(given["until"]):
                    time.sleep(0.01)
            text(session, "back")
        case "many":
            for number in range(int(given["count"])):
                text(session, f"{number};")
        case "raw":
            write(given["text"].replace("SESSION", session))
        case "long":
            write("x" * int(given["size"]) + ("\n" if given.get("ended", True) else ""))
            if not given.get("ended", True):
                time.sleep(60)
        case "stray":
            say("00000000-0000-4000-8000-000000000000", "stream", {"type": "text", "message": {"text": "stray"}})
            line({"event": "surprise", "data": 1})
            text(session, "own")
        case "print":
            write("debug without a new line ")
            text(session, "said")
        case "blob":
            for id_, sequence, total, size, end in given["pieces"]:
                chunk(session, id_, sequence, total, b"a" * size, end)
        case "ask":
            text(session, ask(session, given["type"], given.get("request", {})))
        case "each":
            for kind, request in given["asked"]:
                if kind == "say":
                    say(session, "stream", request)
                    continue
                response = ask(session, kind, request)
                text(session, f"{response}\n")
                for part in json.loads(response):
                    if isinstance(part, dict) and (part.get("meta") or {}).get("tool_file_id"):
                        say(session, "stream", part)  # as agents forward files made by their tools
        case "ask_many":
            threads = []
            found: list[str] = []
            for _ in range(int(given["count"])):
                thread = threading.Thread(target=lambda: found.append(ask(session, given["type"], given["request"])))
                thread.start()
                threads.append(thread)
            for thread in threads:
                thread.join()
            text(session, str(len(found)))
        case "ask_and_exit":
            say(session, "invoke", {"type": given["type"], "backwards_request_id": "1", "request": {}})
            os._exit(3)
        case "environment":
            say(session, "stream", {"type": "json", "message": {"json_object": dict(os.environ)}})
        case "messages":
            for message in given["messages"]:
                say(session, "stream", message)
        case "run":
            code: dict[str, Any] = {"given": given, "session": session}
            exec(given["code"], code)
            say(session, "stream", {"type": "json", "message": {"json_object": code.get("result")}})
        case _:
            say(session, "error", {"error_type": "KeyError", "message": f"no tool {tool}", "args": {}})
    say(session, "end")


def model(session: str, data: dict[str, Any]) -> None:
    """Do what the model's name says; by default, stream the credential ``said``."""
    match data.get("model", "trial"):
        case "trial":
            if data["credentials"]["key"] != "right-key-0123456789":
                wrong = f"{data['credentials']['key']} is no key"
                say(session, "error", {"error_type": "CredentialsValidateFailedError", "message": wrong, "args": {}})
            say(session, "stream", {"result": True})
        case "echo":
            for number, word in enumerate((json.dumps(data, ensure_ascii=False), " 完 ", "🎉")):
                delta = {"index": number, "message": {"role": "assistant", "content": word, "tool_calls": []}}
                say(session, "stream", {"model": "echo", "delta": delta})
        case "silent":
            delta = {"index": 0, "message": {"role": "assistant", "content": "初め"}}
            say(session, "stream", {"model": "silent", "delta": delta})
            return
        case "slow":
            for word in "ゆっくり話す。":
                time.sleep(0.3)
                delta = {"index": 0, "message": {"role": "assistant", "content": word}}
                say(session, "stream", {"model": "slow", "delta": delta})
        case "exit":
            os._exit(3)
        case "fail":
            kind, words = data["credentials"]["said"]
            say(session, "error", {"error_type": kind, "message": words, "args": {}})
        case _:
            for said in data["credentials"]["said"]:
                say(session, "stream", said)
    say(session, "end")


def beat(often: float) -> None:
    while True:
        line({"event": "heartbeat", "session_id": None, "data": {}})
        time.sleep(often)


def main() -> None:
    how = sys.argv[1] if len(sys.argv) > 1 else ""
    # Stacks of 8 MiB for hundreds of threads would exceed a plugin's memory.
    threading.stack_size(1 << 19)
    line({"name": "stand_in"})
    if how == "die":
        sys.stderr.write("I cannot go on\n")
        sys.stderr.flush()
        os._exit(7)
    if how == "mute":
        time.sleep(60)
    if how == "once":
        line({"event": "heartbeat"})
        os._exit(5)
    often = {"flood": 0.0005}.get(how, 0.2)
    threading.Thread(target=beat, args=(often,), daemon=True).start()
    if how == "deaf":
        time.sleep(600)
    for received in sys.stdin.buffer:
        message = json.loads(received)
        session, data = message["session_id"], message["data"]
        if message["event"] == "backwards_response":
            done = _answers.get(data["backwards_request_id"])
            if done is None:
                continue
            match data["event"]:
                case "response":
                    done["parts"].append(data["data"])
                case "error":
                    done["error"] = data["message"]
                case _:
                    done["over"].set()
            continue
        if data.get("type") == "model":
            threading.Thread(target=model, args=(session, data), daemon=True).start()
            continue
        if data.get("action") == "validate_tool_credentials":
            if data["credentials"].get("key") == "right":
                say(session, "stream", {"result": True})
            else:
                kind = "ToolProviderCredentialValidationError"
                say(session, "error", {"error_type": kind, "message": "wrong key", "args": {}})
            say(session, "end")
            continue
        given = data.get("tool_parameters") or data.get("agent_strategy_params") or {}
        tool = data.get("tool") or data.get("agent_strategy") or ""
        threading.Thread(target=act, args=(session, tool, given, data, message), daemon=True).start()


if __name__ == "__main__":
    main()
