// TextEncoder and TextDecoder, for UTF-8 and Latin-1.
(function () {
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  const bytesOf = (input) => {
    if (input === undefined) { return new Uint8Array(0); }
    if (input instanceof Uint8Array) { return input; }
    if (ArrayBuffer.isView(input)) { return new Uint8Array(input.buffer, input.byteOffset, input.byteLength); }
    return new Uint8Array(input);
  };
  class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(input = "") {
      const out = [];
      for (const character of String(input).toWellFormed()) {
        const code = character.codePointAt(0);
        if (code < 0x80) { out.push(code); }
        else if (code < 0x800) { out.push(0xc0 | (code >> 6), 0x80 | (code & 63)); }
        else if (code < 0x10000) { out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)); }
        else { out.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)); }
      }
      return new Uint8Array(out);
    }
    encodeInto(input, target) {
      let read = 0; let written = 0;
      for (const character of String(input)) {
        const bytes = this.encode(character);
        if (written + bytes.length > target.length) { break; }
        target.set(bytes, written); written += bytes.length; read += character.length;
      }
      return { read, written };
    }
  }
  class TextDecoder {
    #label; #fatal; #keepMark;
    constructor(label = "utf-8", options = {}) {
      const name = String(label).trim().toLowerCase();
      if (["utf-8", "utf8", "unicode-1-1-utf-8"].includes(name)) { this.#label = "utf-8"; }
      else if (["latin1", "iso-8859-1", "windows-1252", "ascii", "us-ascii"].includes(name)) { this.#label = "windows-1252"; }
      else { throw new RangeError(`The encoding "${label}" is not supported; utf-8 and latin1 are`); }
      this.#fatal = Boolean(options.fatal); this.#keepMark = Boolean(options.ignoreBOM);
    }
    get encoding() { return this.#label; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#keepMark; }
    decode(input) {
      const bytes = bytesOf(input);
      const out = [];
      if (this.#label !== "utf-8") { for (const byte of bytes) { out.push(String.fromCharCode(byte)); } return out.join(""); }
      let at = 0;
      if (!this.#keepMark && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) { at = 3; }
      while (at < bytes.length) {
        const first = bytes[at++];
        if (first < 0x80) { out.push(String.fromCharCode(first)); continue; }
        let more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
        let code = more === 1 ? first & 31 : more === 2 ? first & 15 : first & 7;
        let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
        let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
        let valid = more > 0;
        while (valid && more > 0) {
          const next = bytes[at];
          if (next === undefined || next < low || next > high) { valid = false; break; }
          code = (code << 6) | (next & 63); low = 0x80; high = 0xbf; at++; more--;
        }
        if (valid) { out.push(String.fromCodePoint(code)); continue; }
        if (this.#fatal) { throw new TypeError("The encoded data was not valid for encoding utf-8"); }
        out.push("\ufffd");
      }
      return out.join("");
    }
  }
  define("TextEncoder", TextEncoder);
  define("TextDecoder", TextDecoder);
})();
