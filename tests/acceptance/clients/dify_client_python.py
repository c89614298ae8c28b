"""Program that uses the package ``dify-client-python``; its ``request`` covers missing methods.

Takes the task as JSON in the first argument; prints the result as JSON.
"""

import io
import json
import sys
from typing import Any

from dify_client import Client, models

task: dict[str, Any] = json.loads(sys.argv[1])
user, inputs = task["user"], task["inputs"]
base = f"{task['url']}/v1"
client = Client(api_key=task["key"], api_base=base)
holding = Client(api_key=task["held_key"], api_base=base)


def request(blocking: bool) -> Any:
    mode = models.ResponseMode.BLOCKING if blocking else models.ResponseMode.STREAMING
    return models.WorkflowsRunRequest(inputs=inputs, response_mode=mode, user=user)


blocking = client.run_workflows(request(True))
streaming = list(client.run_workflows(request(False)))
version = client.request(
    f"{base}/workflows/{blocking.data.workflow_id}/run", "POST", json=request(True).model_dump(exclude_none=True)
)
uploaded = client.upload_files(
    ("greeting.txt", io.BytesIO(task["text"].encode()), "text/plain"), models.UploadFileRequest(user=user)
)
stopped = holding.stop_workflows(task["task_id"], models.StopRequest(user=user))
answers = {
    "blocking": blocking.model_dump(mode="json"),
    "streaming": [message.model_dump(mode="json") for message in streaming],
    "version": version.json(),
    "file": uploaded.model_dump(mode="json"),
    "stopped": stopped.model_dump(mode="json"),
    "parameters": client.request(f"{base}/parameters", "GET", params={"user": user}).json(),
    "detail": client.request(f"{base}/workflows/run/{blocking.workflow_run_id}", "GET").json(),
    "logs": client.request(
        f"{base}/workflows/logs", "GET", params={"created_by_end_user_session_id": user, "limit": 20}
    ).json(),
}
print(json.dumps(answers))
