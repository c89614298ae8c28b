"""Program that uses the packages ``openai``, ``langchain-openai`` and ``litellm``.

Takes the task as JSON in the first argument; prints the result as JSON.
"""

import base64
import json
import sys
import time
from typing import Any

import litellm
import openai
from langchain_openai import ChatOpenAI

task: dict[str, Any] = json.loads(sys.argv[1])
base, key, model = f"{task['url']}/v1", task["key"], task["model"]
client = openai.OpenAI(base_url=base, api_key=key)
image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()}}


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def refused(**wrong: Any) -> list[Any]:
    try:
        client.chat.completions.create(**({"model": model, "messages": [user("hi")]} | wrong))
    except openai.APIStatusError as error:
        return [type(error).__name__, error.code]
    return []


first = client.chat.completions.create(
    model=model,
    messages=[
        {"role": "system", "content": "Be kind."},
        user("一"),
        {"role": "assistant", "content": "ONE"},
        user("二 🗻"),
    ],
)
named: Any = {"conversation_id": (first.model_extra or {})["conversation_id"]}
second = client.chat.completions.create(model=model, messages=[user("三")], extra_body=named)
chunks = list(
    client.chat.completions.create(
        model=model, messages=[user("四")], stream=True, stream_options={"include_usage": True}, extra_body=named
    )
)
response = client.responses.create(model=model, input="五")
with client.responses.stream(model=model, input="六", previous_response_id=response.id) as stream:
    kinds = [event.type for event in stream]
    streamed = stream.get_final_response()
background = client.responses.create(model=model, input="七", background=True)
while background.status in ("queued", "in_progress"):
    time.sleep(0.05)
    background = client.responses.retrieve(background.id)
chain = ChatOpenAI(base_url=base, api_key=key, model=model)

print(
    json.dumps(
        {
            "models": [found.id for found in client.models.list().data],
            "first": first.choices[0].message.content,
            "usage": first.usage is not None and first.usage.total_tokens > 0,
            "second": second.choices[0].message.content,
            "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
            "streamed_usage": [chunk.usage.total_tokens > 0 for chunk in chunks if chunk.usage],
            "file": client.chat.completions.create(
                model=model, messages=[user([{"type": "text", "text": "see"}, image])]
            )
            .choices[0]
            .message.content,
            "response": response.output_text,
            "response_streamed": streamed.output_text,
            "response_kinds": [kinds[0], kinds[-1]],
            "background": [background.status, background.output_text],
            "refused": [refused(model="gpt"), refused(n=2), refused(messages=[])],
            "langchain": chain.invoke([("system", "Be kind."), ("human", "八")]).content,
            "langchain_streamed": "".join(str(chunk.content) for chunk in chain.stream("九")),
            "litellm": litellm.completion(model=f"openai/{model}", api_base=base, api_key=key, messages=[user("十")])
            .choices[0]
            .message.content,
        }
    )
)
