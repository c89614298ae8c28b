"""Scripted MCP server on standard input and output, written without the library."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def answer(message: dict[str, Any], how: str) -> dict[str, Any] | None:
    match message["method"]:
        case "initialize":
            if how == "hang":
                time.sleep(1000)
            return {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "", "version": ""},
            }
        case "tools/list":
            schema = {"type": "object", "properties": {"text": {"type": "string"}}}
            return {"tools": [{"name": name, "inputSchema": schema} for name in ("say", "env", "pid")]}
        case "tools/call":
            return {"content": [{"type": "text", "text": text_of(message["params"], how)}]}
    return None


def text_of(params: dict[str, Any], how: str) -> str:
    match params["name"]:
        case "env":
            return "\n".join(os.environ)
        case "pid":
            child = subprocess.Popen(["sleep", "1000"])
            return f"{os.getpid()} {child.pid}"
    if how == "stubborn":
        Path(params["arguments"]["text"]).write_text(str(os.getpid()))
        time.sleep(1000)
    return "x" * (1 << 26) if how == "flood" else str(params["arguments"].get("text"))


def main(how: str) -> None:
    if how == "die":
        sys.exit(3)
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how == "chatter":
        print("Listening …\n{}\n[]\nnull", flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and (result := answer(message, how)) is not None:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
