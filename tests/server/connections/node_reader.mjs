// Reads connections as Node's server does (llhttp) that has no listener of `upgrade`. A line of input is the bytes of a
// connection in base64, a line of output what was read.
//
// Each byte is a piece of its own: of a piece in which a request for an upgrade ends, Node drops the rest.

import http from "node:http";
import readline from "node:readline";
import { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";

let found;
const server = http.createServer({ maxHeaderSize: 65536 });

function read(request) {
  const body = [];
  const entry = { method: request.method, target: request.url, headers: request.rawHeaders, body: "", isWhole: false };
  found.requests.push(entry);
  request.on("data", (data) => body.push(data));
  request.on("end", () => Object.assign(entry, { body: Buffer.concat(body).toString("base64"), isWhole: true }));
}
function answer(request, response) {
  read(request);
  request.on("end", () => response.end());
}
server.on("request", answer);
server.on("checkContinue", answer);
server.on("checkExpectation", answer);
server.on("connect", read);
server.on("clientError", () => {
  found.end = "refused";
});

for await (const line of readline.createInterface({ input: process.stdin })) {
  found = { requests: [], end: "open" };
  const connection = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  server.emit("connection", connection);
  for (const byte of Buffer.from(line, "base64")) connection.push(Buffer.of(byte));
  // Nothing of this waits for anything but the next turn of the event loop.
  for (let turns = 0; turns < 20; turns += 1) await turn();
  connection.destroy();
  console.log(JSON.stringify(found));
}
