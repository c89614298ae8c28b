// structuredClone, for everything that it can copy and that exists here.
(function () {
  const fail = (value) => { const error = new Error(`${typeof value === "symbol" ? "Symbol" : typeof value} could not be cloned.`); error.name = "DataCloneError"; throw error; };
  const copy = (value, seen) => {
    if (typeof value === "function" || typeof value === "symbol") { fail(value); }
    if (value === null || typeof value !== "object") { return value; }
    if (seen.has(value)) { return seen.get(value); }
    const keep = (made) => { seen.set(value, made); return made; };
    if (Array.isArray(value)) { const made = keep(new Array(value.length)); for (const key of Object.keys(value)) { made[key] = copy(value[key], seen); } return made; }
    if (value instanceof Date) { return keep(new Date(value.getTime())); }
    if (value instanceof RegExp) { return keep(new RegExp(value.source, value.flags)); }
    if (value instanceof Map) { const made = keep(new Map()); for (const [key, item] of value) { made.set(copy(key, seen), copy(item, seen)); } return made; }
    if (value instanceof Set) { const made = keep(new Set()); for (const item of value) { made.add(copy(item, seen)); } return made; }
    if (value instanceof ArrayBuffer) { return keep(value.slice(0)); }
    if (ArrayBuffer.isView(value)) {
      const buffer = copy(value.buffer, seen);
      const length = value instanceof DataView ? value.byteLength : value.length;
      const Kind = value.constructor.name === "Buffer" ? Uint8Array : value.constructor;
      return keep(new Kind(buffer, value.byteOffset, length));
    }
    if (value instanceof Error) { const made = keep(new value.constructor(value.message)); made.stack = value.stack; if ("cause" in value) { made.cause = copy(value.cause, seen); } return made; }
    if (value instanceof Boolean || value instanceof Number || value instanceof String) { return keep(Object(value.valueOf())); }
    if (value instanceof WeakMap || value instanceof WeakSet || value instanceof Promise) { fail(value); }
    const made = keep({});
    for (const key of Object.keys(value)) { made[key] = copy(value[key], seen); }
    return made;
  };
  const structuredClone = function (value) {
    if (arguments.length === 0) { throw new TypeError("The value argument must be specified"); }
    return copy(value, new Map());
  };
  Object.defineProperty(globalThis, "structuredClone", { value: structuredClone, writable: true, configurable: true });
})();
