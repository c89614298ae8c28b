// The console, timers and random numbers; and what the runner calls, which programs cannot reach.
(function () {
  const { parse, stringify } = JSON;
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  const advice = {};
  const nothing = () => {};
  const console = {};
  for (const name of ["log", "info", "warn", "error", "debug", "trace", "table", "dir", "group", "groupEnd", "time", "timeEnd", "timeLog", "count", "assert"]) { console[name] = nothing; }
  define("console", console);
  define("global", globalThis);
  const timers = new Map();
  let lastTimer = 0; let now = 0;
  const start = (action, delay, rest, repeat) => {
    if (typeof action !== "function") { throw new TypeError("The callback argument must be a function"); }
    const wait = Math.max(1, Number(delay) || 0);
    lastTimer += 1;
    timers.set(lastTimer, { due: now + wait, action, rest, repeat: repeat ? wait : 0 });
    return lastTimer;
  };
  const stop = (id) => { timers.delete(id); };
  define("setTimeout", function setTimeout(action, delay, ...rest) { return start(action, delay, rest, false); });
  define("setInterval", function setInterval(action, delay, ...rest) { return start(action, delay, rest, true); });
  define("setImmediate", function setImmediate(action, ...rest) { return start(action, 0, rest, false); });
  define("clearTimeout", stop); define("clearInterval", stop); define("clearImmediate", stop);
  const runTimer = () => {
    let next;
    for (const [id, timer] of timers) { if (next === undefined || timer.due < timers.get(next).due) { next = id; } }
    if (next === undefined) { return false; }
    const timer = timers.get(next);
    now = timer.due;
    if (timer.repeat) { timer.due = now + timer.repeat; } else { timers.delete(next); }
    timer.action(...timer.rest);
    return true;
  };
  const modules = { network: "http https http2 net tls dns dgram axios node-fetch got undici request superagent ws openai", files: "fs fs/promises", processes: "child_process cluster worker_threads" };
  define("require", function require(name) {
    const plain = String(name).replace(/^node:/, "");
    const kind = Object.keys(modules).find((key) => modules[key].split(" ").includes(plain));
    throw new Error(`require("${name}") is refused: ` + advice[kind || "modules"]);
  });
  let state = [1, 2, 3, 4];
  Math.random = function random() {
    const word = () => { const [a, b, c, d] = state; const t = b << 9; const r = Math.imul(b, 5); const out = Math.imul((r << 7) | (r >>> 25), 9) >>> 0; const x = c ^ a; const y = d ^ b; state = [a ^ y, b ^ x, x ^ t, (y << 11) | (y >>> 21)]; return out; };
    return ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
  };
  let rejection = null;
  const describe = (error) => (error instanceof Error ? String(error) + "\n" + (error.stack || "") : "Uncaught " + String(error));
  return (what, argument) => {
    switch (what) {
      case "advice": Object.assign(advice, parse(argument)); return null;
      case "seed": { const bytes = parse(argument); state = [0, 4, 8, 12].map((at) => (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) | (at === 0)); return null; }
      case "call": {
        if (typeof main !== "function") { throw new ReferenceError("main is not defined: the program must define a function main"); }
        const result = main(parse(argument));
        if (result instanceof Promise) { result.then(nothing, (error) => { rejection = describe(error); }); }
        const text = stringify(result);
        return text === undefined ? null : text;
      }
      case "warm": return stringify(parse(argument));
      case "rejection": return rejection;
      case "timer": return runTimer();
    }
  };
})();
