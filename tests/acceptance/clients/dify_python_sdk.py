"""Program that uses the package ``dify-python-sdk``.

Takes the task as JSON in the first argument; prints the result as JSON.
"""

import json
import sys
from typing import Any

from dify_client import WorkflowClient

task: dict[str, Any] = json.loads(sys.argv[1])
user, inputs = task["user"], task["inputs"]
client = WorkflowClient(task["key"], base_url=f"{task['url']}/v1")
holding = WorkflowClient(task["held_key"], base_url=f"{task['url']}/v1")

blocking = client.run(inputs, response_mode="blocking", user=user).json()
streaming = client.run(inputs, response_mode="streaming", user=user)
version = client.run_specific_workflow(
    blocking["data"]["workflow_id"], inputs, response_mode="blocking", user=user
).json()
uploaded = client.file_upload(user, {"file": ("greeting.txt", task["text"].encode(), "text/plain")})
answers = {
    "blocking": blocking,
    "streaming": [json.loads(line[6:]) for line in streaming.iter_lines() if line.startswith("data: ")],
    "version": version,
    "file": uploaded.json(),
    "stopped": holding.stop(task["task_id"], user).json(),
    "parameters": client.get_application_parameters(user).json(),
    "detail": client.get_result(blocking["workflow_run_id"]).json(),
    "logs": client.get_workflow_logs(limit=20, created_by_end_user_session_id=user).json(),
}
print(json.dumps(answers))
