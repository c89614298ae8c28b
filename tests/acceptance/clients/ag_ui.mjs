// What a program does that uses `@ag-ui/client`, the protocol's own client, which checks the order of events by itself.
// Run with the task as JSON in the first argument; prints what came back as JSON.

import { buildResumeArray, HttpAgent } from "@ag-ui/client";

const task = JSON.parse(process.argv[2]);
const events = [];

function agent(app, more = {}) {
  const headers = { Authorization: `Bearer ${task.keys[app]}` };
  return new HttpAgent({ url: `${task.url}/ag-ui/${app}`, headers, ...more });
}

async function ask(agent, content, more = {}) {
  if (content !== undefined) agent.addMessage({ id: crypto.randomUUID(), role: "user", content });
  const seen = [];
  const steps = [];
  let failed;
  const watch = {
    onEvent: ({ event }) => {
      seen.push(event.type);
      events.push(event);
    },
    onStepStartedEvent: ({ event }) => void steps.push(event.stepName),
    onRunErrorEvent: ({ event }) => void (failed = event.code),
  };
  const forwardedProps = { user: "太郎", ...more.forwardedProps };
  const { result, newMessages } = await agent
    .runAgent({ forwardedProps, ...more }, watch)
    .catch(error => ({ result: { error: error.message }, newMessages: [] }));
  return { seen, steps, failed, result, newMessages };
}

const text = ({ newMessages }) => newMessages.filter(one => one.role === "assistant" && one.content).map(one => one.content);

const chat = agent("chat");
const first = await ask(chat, "一 🗻");
const second = await ask(chat, "二");
const image = { type: "image", source: { type: "data", value: "iVBORw0KGgo=", mimeType: "image/png" } };
const looked = await ask(chat, [{ type: "text", text: "見て" }, image]);

const asks = agent("asks");
const asked = await ask(asks, "q");
const [interrupt] = asks.pendingInterrupts;
const response = { status: "resolved", payload: { action: "yes", inputs: { comment: "gut 👍" } } };
const resume = buildResumeArray(asks.pendingInterrupts, { [interrupt.id]: response });
const answered = await ask(asks, undefined, { resume });

const worker = agent("agent");
const worked = await ask(worker, "何曜日?");
const workflow = await ask(agent("work"), "日本!");
const broken = await ask(agent("broken"), "x");
const refused = await ask(agent("work", { headers: { Authorization: "Bearer app-wrong" } }), "x");

console.log(
  JSON.stringify({
    first: text(first),
    second: text(second),
    looked: text(looked),
    steps: first.steps,
    state: chat.state,
    thread: chat.threadId,
    conversation: first.result.conversation_id === second.result.conversation_id,
    interrupt: [interrupt.reason, interrupt.message],
    answered: [text(answered), asks.pendingInterrupts.length],
    calls: worker.messages.flatMap(one => one.toolCalls ?? []).map(one => [one.function.name, JSON.parse(one.function.arguments)]),
    results: worker.messages.filter(one => one.role === "tool").map(one => one.content),
    worked: text(worked),
    outputs: workflow.result.outputs,
    broken: broken.failed,
    refused: refused.result.error.slice(0, 8),
    errors: [first, second, looked, asked, answered, worked, workflow].map(one => one.result?.error).filter(Boolean),
    events,
  }),
);
