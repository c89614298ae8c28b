// What a program does that uses the package `dify-client`. What it has no method for, its `sendRequest` does.
// Run with the task as JSON in the first argument; prints what came back as JSON.

import { CompletionClient } from "dify-client";

const task = JSON.parse(process.argv[2]);
const { user, inputs } = task;
const client = new CompletionClient(task.key, `${task.url}/v1`);
const holding = new CompletionClient(task.held_key, `${task.url}/v1`);

async function messages(stream) {
  let text = "";
  for await (const piece of stream.setEncoding("utf8")) text += piece;
  const lines = text.split("\n").filter((line) => line.startsWith("data: "));
  return lines.map((line) => JSON.parse(line.slice(6)));
}

const blocking = (await client.runWorkflow(inputs, user)).data;
const streaming = await messages((await client.runWorkflow(inputs, user, true)).data);
const path = `/workflows/${blocking.data.workflow_id}/run`;
const version = await client.sendRequest("POST", path, { inputs, user, response_mode: "blocking" });

const form = new FormData();
form.append("file", new Blob([task.text], { type: "text/plain" }), "greeting.txt");
form.append("user", user);
const file = await client.fileUpload(form);
const stopped = await holding.sendRequest("POST", `/workflows/tasks/${task.task_id}/stop`, { user });
const parameters = await client.getApplicationParameters(user);
const detail = await client.sendRequest("GET", `/workflows/run/${blocking.workflow_run_id}`);
const filter = { created_by_end_user_session_id: user, limit: 20 };
const logs = await client.sendRequest("GET", "/workflows/logs", null, filter);

console.log(
  JSON.stringify({
    blocking,
    streaming,
    version: version.data,
    file: file.data,
    stopped: stopped.data,
    parameters: parameters.data,
    detail: detail.data,
    logs: logs.data,
  }),
);
