// Follows a log with a standard EventSource until that gives up. Prints the events and how often it had to ask.

import { EventSource } from "eventsource";

const task = JSON.parse(process.argv[2]);
const seen = [];
let asked = 0;

const source = new EventSource(task.url, {
  fetch: (url, init) => {
    asked += 1;
    return fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${task.key}` } });
  },
});
for (const name of task.names) {
  source.addEventListener(name, (event) => seen.push([Number(event.lastEventId), event.type]));
}
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) console.log(JSON.stringify({ seen, asked }));
});
