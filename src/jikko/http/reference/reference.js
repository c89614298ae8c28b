// Sends what a form of the page describes, and shows the answer as it comes.
"use strict";

const key = document.getElementById("key");
// Where the addresses of the description begin, whatever is in front of it.
const base = new URL(document.documentElement.dataset.base, location.href);

function asked(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  const parts = new FormData();
  for (const input of form.querySelectorAll("[data-in]")) {
    const { name, value } = input;
    const place = input.dataset.in;
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "form") {
      if (input.type === "file") for (const file of input.files) parts.append(name, file);
      else if (value) parts.append(name, value);
    } else if (!value) continue;
    else if (place === "query") query.append(name, value);
    else headers[name] = value;
  }
  if (key.value) headers.Authorization = `Bearer ${key.value.trim()}`;
  const options = { method: form.dataset.method, headers };
  if (form.dataset.type === "multipart/form-data") options.body = parts;
  else if (form.elements.body) {
    options.body = form.elements.body.value;
    headers["Content-Type"] = form.dataset.type;
  }
  const url = new URL(path.slice(1), base);
  url.search = query;
  return [url, options];
}

async function show(answer, place) {
  const names = ["content-type", "location", "retry-after", "idempotency-replayed", "x-request-id"];
  const shown = names.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}\n`);
  place.textContent = `${answer.status} ${answer.statusText}\n${shown.join("")}\n`;
  if ((answer.headers.get("content-type") || "").startsWith("application/json")) {
    const text = await answer.text();
    try {
      place.textContent += JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      place.textContent += text;
    }
    return;
  }
  const decoder = new TextDecoder();
  const reader = answer.body?.getReader();
  for (let piece = await reader?.read(); piece && !piece.done; piece = await reader.read()) {
    place.textContent += decoder.decode(piece.value, { stream: true });
  }
}

async function send(form) {
  const place = form.querySelector(".answer");
  const stop = form.querySelector(".stop");
  const leaving = new AbortController();
  stop.onclick = () => leaving.abort();
  stop.hidden = place.hidden = false;
  place.textContent = "…";
  try {
    const [url, options] = asked(form);
    await show(await fetch(url, { ...options, signal: leaving.signal }), place);
  } catch (error) {
    place.textContent += `\n${error.message}`;
  }
  stop.hidden = true;
}

for (const form of document.querySelectorAll(".try form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}
