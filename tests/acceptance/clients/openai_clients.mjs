// What a program does that uses the packages `openai`, and `ai` with `dify-ai-provider`.
// Run with the task as JSON in the first argument; prints what came back as JSON.

import { generateText } from "ai";
import { createDifyProvider } from "dify-ai-provider";
import OpenAI from "openai";

const task = JSON.parse(process.argv[2]);
const { key, model } = task;
const client = new OpenAI({ baseURL: `${task.url}/v1`, apiKey: key });
const messages = (content) => [{ role: "user", content }];

const first = await client.chat.completions.create({ model, messages: messages("一") });
let streamed = "";
for await (const chunk of await client.chat.completions.create({ model, messages: messages("二"), stream: true }))
  streamed += chunk.choices[0].delta.content ?? "";
const response = await client.responses.create({ model, input: "三" });
const refused = await client.chat.completions.create({ model: "gpt", messages: messages("x") }).catch((error) => error);
const dify = createDifyProvider({ baseURL: `${task.url}/v1` });
const provided = await generateText({
  model: dify("app", { apiKey: key, responseMode: "blocking" }),
  messages: messages("四"),
  headers: { "user-id": "anna" },
});

console.log(
  JSON.stringify({
    first: first.choices[0].message.content,
    streamed,
    response: response.output_text,
    refused: [refused.constructor.name, refused.code],
    provided: provided.text,
  }),
);
