// A small Buffer: strings to bytes and back, in the encodings that programs use.
(function () {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const latin = (bytes) => { let out = ""; for (let at = 0; at < bytes.length; at += 8192) { out += String.fromCharCode.apply(null, bytes.subarray(at, at + 8192)); } return out; };
  const fromLatin = (text) => { const out = new Uint8Array(text.length); for (let at = 0; at < text.length; at++) { out[at] = text.charCodeAt(at); } return out; };
  const kind = (encoding) => {
    const name = String(encoding === undefined ? "utf8" : encoding).toLowerCase();
    const known = { utf8: "utf8", "utf-8": "utf8", hex: "hex", base64: "base64", base64url: "base64url", latin1: "latin1", binary: "latin1", ascii: "ascii", utf16le: "utf16le", "utf-16le": "utf16le", ucs2: "utf16le", "ucs-2": "utf16le" }[name];
    if (!known) { throw new TypeError("Unknown encoding: " + encoding); }
    return known;
  };
  const encode = (text, encoding) => {
    switch (kind(encoding)) {
      case "utf8": return encoder.encode(text);
      case "hex": { const out = []; for (let at = 0; at + 1 < text.length; at += 2) { const byte = parseInt(text.slice(at, at + 2), 16); if (Number.isNaN(byte)) { break; } out.push(byte); } return new Uint8Array(out); }
      case "base64": case "base64url": {
        let clean = text.replace(/=[^]*$/, "").replace(/-/g, "+").replace(/_/g, "/").replace(/[^A-Za-z0-9+/]/g, "");
        if (clean.length % 4 === 1) { clean = clean.slice(0, -1); }
        return fromLatin(atob(clean + "===".slice(0, (4 - (clean.length % 4)) % 4)));
      }
      case "utf16le": { const out = new Uint8Array(text.length * 2); for (let at = 0; at < text.length; at++) { const code = text.charCodeAt(at); out[2 * at] = code & 255; out[2 * at + 1] = code >> 8; } return out; }
      default: return fromLatin(text);
    }
  };
  class Buffer extends Uint8Array {
    static from(value, encoding, length) {
      if (typeof value === "string") { return Buffer.#own(encode(value, encoding)); }
      if (value instanceof ArrayBuffer) { return new Buffer(value, encoding, length); }
      if (value && value.type === "Buffer" && Array.isArray(value.data)) { return Buffer.#own(Uint8Array.from(value.data)); }
      if (value && typeof value === "object") { return Buffer.#own(Uint8Array.from(value)); }
      throw new TypeError("The first argument must be a string, a buffer or an array");
    }
    static #own(bytes) { return new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength); }
    static alloc(size, fill, encoding) { const made = new Buffer(size); return fill === undefined ? made : made.fill(fill, 0, size, encoding); }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(value) { return value instanceof Buffer; }
    static isEncoding(encoding) { try { kind(encoding); return true; } catch { return false; } }
    static byteLength(value, encoding) { return typeof value === "string" ? encode(value, encoding).length : value.byteLength; }
    static compare(a, b) { return a.compare(b); }
    static concat(list, total) {
      const size = total === undefined ? list.reduce((sum, item) => sum + item.length, 0) : total;
      const made = new Buffer(size); let at = 0;
      for (const item of list) { if (at >= size) { break; } made.set(item.subarray(0, size - at), at); at += item.length; }
      return made;
    }
    toString(encoding, start = 0, end = this.length) {
      const bytes = new Uint8Array(this.buffer, this.byteOffset, this.byteLength).subarray(start, end);
      switch (kind(encoding)) {
        case "utf8": return decoder.decode(bytes);
        case "hex": return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
        case "base64": return btoa(latin(bytes));
        case "base64url": return btoa(latin(bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
        case "utf16le": { let out = ""; for (let at = 0; at + 1 < bytes.length; at += 2) { out += String.fromCharCode(bytes[at] | (bytes[at + 1] << 8)); } return out; }
        case "ascii": return latin(bytes.map((byte) => byte & 127));
        default: return latin(bytes);
      }
    }
    toJSON() { return { type: "Buffer", data: Array.from(this) }; }
    equals(other) { return this.compare(other) === 0; }
    compare(other) { const size = Math.min(this.length, other.length); for (let at = 0; at < size; at++) { if (this[at] !== other[at]) { return this[at] < other[at] ? -1 : 1; } } return Math.sign(this.length - other.length); }
    write(text, offset = 0, length, encoding) {
      if (typeof offset === "string") { encoding = offset; offset = 0; } else if (typeof length === "string") { encoding = length; length = undefined; }
      const room = this.length - offset;
      const bytes = encode(text, encoding).subarray(0, length === undefined ? room : Math.min(length, room)); this.set(bytes, offset); return bytes.length;
    }
    fill(value, start = 0, end = this.length, encoding) {
      if (typeof value !== "string") { super.fill(value, start, end); return this; }
      const bytes = encode(value, encoding);
      for (let at = start; at < end; at++) { this[at] = bytes.length ? bytes[(at - start) % bytes.length] : 0; }
      return this;
    }
    slice(start, end) { return this.subarray(start, end); }
    copy(target, at = 0, start = 0, end = this.length) { const part = this.subarray(start, Math.min(end, start + target.length - at)); target.set(part, at); return part.length; }
    includes(value, from, encoding) { return this.indexOf(value, from, encoding) !== -1; }
    indexOf(value, from = 0, encoding) {
      if (typeof value === "number") { return super.indexOf(value, from); }
      return latin(this).indexOf(latin(typeof value === "string" ? encode(value, encoding) : value), from);
    }
    readUInt8(at = 0) { return this[at]; }
    readUInt16BE(at = 0) { return (this[at] << 8) | this[at + 1]; }
    readUInt16LE(at = 0) { return (this[at + 1] << 8) | this[at]; }
    readUInt32BE(at = 0) { return ((this[at] << 24) | (this[at + 1] << 16) | (this[at + 2] << 8) | this[at + 3]) >>> 0; }
    readUInt32LE(at = 0) { return ((this[at + 3] << 24) | (this[at + 2] << 16) | (this[at + 1] << 8) | this[at]) >>> 0; }
    writeUInt8(value, at = 0) { this[at] = value; return at + 1; }
    writeUInt32BE(value, at = 0) { this[at] = value >>> 24; this[at + 1] = value >>> 16; this[at + 2] = value >>> 8; this[at + 3] = value; return at + 4; }
    writeUInt32LE(value, at = 0) { this[at + 3] = value >>> 24; this[at + 2] = value >>> 16; this[at + 1] = value >>> 8; this[at] = value; return at + 4; }
  }
  Object.defineProperty(globalThis, "Buffer", { value: Buffer, writable: true, configurable: true });
})();
