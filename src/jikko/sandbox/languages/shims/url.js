// URL and URLSearchParams, after the WHATWG standard.
(function () {
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  const encoder = new TextEncoder(); const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const ports = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
  const special = (protocol) => Object.hasOwn(ports, protocol);
  const hex = (byte) => "%" + byte.toString(16).toUpperCase().padStart(2, "0");
  const escape = (text, unsafe) => { let out = ""; for (const character of text) { const code = character.codePointAt(0); if (code > 0x20 && code < 0x7f && !unsafe.includes(character)) { out += character; } else { for (const byte of encoder.encode(character)) { out += hex(byte); } } } return out; };
  const unescape = (text) => { const bytes = encoder.encode(text); const out = []; for (let at = 0; at < bytes.length; at++) { const pair = bytes[at] === 37 ? String.fromCharCode(bytes[at + 1] || 0, bytes[at + 2] || 0) : ""; if (/^[0-9a-fA-F]{2}$/.test(pair)) { out.push(parseInt(pair, 16)); at += 2; } else { out.push(bytes[at]); } } return decoder.decode(new Uint8Array(out)); };
  const FRAGMENT = '"<>`'; const QUERY = '"#<>'; const PATH = '"#<>?`{}^'; const USER = '"#<>?`{}/:;=@[\\]^|';
  const formEscape = (text) => { let out = ""; for (const byte of encoder.encode(text)) { const character = String.fromCharCode(byte); out += byte === 32 ? "+" : /[A-Za-z0-9*\-._]/.test(character) ? character : hex(byte); } return out; };
  const formUnescape = (text) => unescape(text.replace(/\+/g, " "));
  const punycode = (label) => {
    const input = Array.from(label, (character) => character.codePointAt(0)); const basic = input.filter((code) => code < 128);
    let out = String.fromCharCode(...basic) + (basic.length ? "-" : ""); let n = 128; let delta = 0; let bias = 72; let done = basic.length;
    const digit = (value) => String.fromCharCode(value < 26 ? value + 97 : value + 22);
    while (done < input.length) {
      const next = Math.min(...input.filter((code) => code >= n)); delta += (next - n) * (done + 1); n = next;
      for (const code of input) {
        if (code < n) { delta++; }
        if (code === n) {
          let q = delta;
          for (let k = 36; ; k += 36) { const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias; if (q < t) { break; } out += digit(t + ((q - t) % (36 - t))); q = Math.floor((q - t) / (36 - t)); }
          out += digit(q); let d = done === basic.length ? Math.floor(delta / 700) : delta >> 1; d += Math.floor(d / (done + 1)); let k = 0;
          while (d > 455) { d = Math.floor(d / 35); k += 36; }
          bias = k + Math.floor((36 * d) / (d + 38)); delta = 0; done++;
        }
      }
      delta++; n++;
    }
    return "xn--" + out;
  };
  const fail = (input) => { const error = new TypeError("Invalid URL"); error.code = "ERR_INVALID_URL"; error.input = input; throw error; };
  const ipv4 = (host, input) => {
    const parts = host.replace(/\.$/, "").split(".");
    if (!/^(0x[0-9a-f]*|[0-9]+)$/.test(parts.at(-1))) { return host; }
    const numbers = parts.map((part) => (/^0x[0-9a-f]*$/.test(part) ? parseInt(part.slice(2) || "0", 16) : /^0[0-7]+$/.test(part) ? parseInt(part, 8) : /^[0-9]+$/.test(part) ? Number(part) : NaN));
    if (numbers.length > 4 || numbers.some(Number.isNaN) || numbers.slice(0, -1).some((one) => one > 255) || numbers.at(-1) >= 256 ** (5 - numbers.length)) { fail(input); }
    let value = numbers.at(-1); numbers.slice(0, -1).forEach((one, at) => { value += one * 256 ** (3 - at); });
    return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
  };
  const hostOf = (text, isSpecial, input) => {
    if (text.startsWith("[")) { if (!/^\[[0-9a-fA-F:.]+\]$/.test(text)) { fail(input); } return text.toLowerCase(); }
    if (!isSpecial) { return escape(text, ""); }
    const host = unescape(text).toLowerCase().normalize("NFC").split(".").map((label) => (/^[\x00-\x7f]*$/.test(label) ? label : punycode(label))).join(".");
    if (!host || /[\x00-\x20#%/:<>?@[\\\]^|\x7f]/.test(host)) { fail(input); }
    return ipv4(host, input);
  };
  const portOf = (text, protocol, input) => { if (!text) { return ""; } if (!/^[0-9]+$/.test(text) || Number(text) > 65535) { fail(input); } const port = String(Number(text)); return ports[protocol] === port ? "" : port; };
  const clean = (path, isSpecial) => {
    const out = []; const parts = (isSpecial ? path.replace(/\\/g, "/") : path).replace(/^\//, "").split("/");
    parts.forEach((part, at) => { const last = at === parts.length - 1; const plain = part.replace(/%2e/gi, "."); if (plain === "..") { out.pop(); if (last) { out.push(""); } } else if (plain === ".") { if (last) { out.push(""); } } else { out.push(escape(part, PATH)); } });
    return "/" + out.join("/");
  };
  class URLSearchParams {
    #list = []; #changed = null;
    constructor(init = "", changed = null) {
      this.#changed = typeof changed === "function" ? changed : null;
      if (typeof init === "object" && init !== null) {
        if (typeof init[Symbol.iterator] === "function") { for (const pair of init) { const [name, value, ...more] = pair; if (value === undefined || more.length) { throw new TypeError("Each query pair must be an iterable [name, value] tuple"); } this.#list.push([String(name), String(value)]); } }
        else { for (const name of Object.keys(init)) { this.#list.push([name, String(init[name])]); } }
      } else { this.#read(String(init)); }
    }
    #read(text) { this.#list = text.replace(/^\?/, "").split("&").filter(Boolean).map((part) => { const at = part.indexOf("="); return at < 0 ? [formUnescape(part), ""] : [formUnescape(part.slice(0, at)), formUnescape(part.slice(at + 1))]; }); }
    #tell() { if (this.#changed) { this.#changed(this.toString()); } }
    get size() { return this.#list.length; }
    append(name, value) { this.#list.push([String(name), String(value)]); this.#tell(); }
    delete(name, value) { this.#list = this.#list.filter(([key, item]) => key !== String(name) || (value !== undefined && item !== String(value))); this.#tell(); }
    get(name) { const found = this.#list.find(([key]) => key === String(name)); return found ? found[1] : null; }
    getAll(name) { return this.#list.filter(([key]) => key === String(name)).map(([, value]) => value); }
    has(name, value) { return this.#list.some(([key, item]) => key === String(name) && (value === undefined || item === String(value))); }
    set(name, value) { const key = String(name); const at = this.#list.findIndex(([one]) => one === key); if (at < 0) { this.#list.push([key, String(value)]); } else { this.#list[at] = [key, String(value)]; this.#list = this.#list.filter(([one], place) => one !== key || place <= at); } this.#tell(); }
    sort() { this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#tell(); }
    forEach(action, self) { for (const [name, value] of this.#list) { action.call(self, value, name, this); } }
    *entries() { for (const [name, value] of this.#list) { yield [name, value]; } }
    *keys() { for (const [name] of this.#list) { yield name; } }
    *values() { for (const [, value] of this.#list) { yield value; } }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#list.map(([name, value]) => formEscape(name) + "=" + formEscape(value)).join("&"); }
    get [Symbol.toStringTag]() { return "URLSearchParams"; }
  }
  const parse = (text, base) => {
    const input = String(text).replace(/^[\x00-\x20]+|[\x00-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
    let rest = input; let hash = ""; let search = ""; let at = rest.indexOf("#");
    if (at >= 0) { hash = rest.slice(at + 1) ? "#" + escape(rest.slice(at + 1), FRAGMENT) : ""; rest = rest.slice(0, at); }
    const scheme = /^([a-zA-Z][a-zA-Z0-9+.\-]*):/.exec(rest);
    const protocol = scheme ? scheme[1].toLowerCase() + ":" : base ? base.protocol : fail(input);
    if (scheme) { rest = rest.slice(scheme[0].length); }
    const isSpecial = special(protocol);
    at = rest.indexOf("?"); const hasQuery = at >= 0;
    if (hasQuery) { search = rest.slice(at + 1) ? "?" + escape(rest.slice(at + 1), isSpecial ? QUERY + "'" : QUERY) : ""; rest = rest.slice(0, at); }
    if (isSpecial) { rest = rest.replace(/\\/g, "/"); }
    const url = { protocol, username: "", password: "", host: "", port: "", path: "", search, hash, opaque: false };
    const relative = base && (!scheme || (isSpecial && protocol === base.protocol && !rest.startsWith("/")));
    if (relative && !rest.startsWith("//")) {
      if (base.opaque) { if (rest || hasQuery) { fail(input); } return { ...base, hash }; }
      Object.assign(url, { username: base.username, password: base.password, host: base.host, port: base.port });
      if (rest === "") { url.path = base.path; if (!hasQuery) { url.search = base.search; } }
      else { url.path = clean(rest.startsWith("/") ? rest : base.path.slice(0, base.path.lastIndexOf("/") + 1) + rest, isSpecial); }
      return url;
    }
    if (isSpecial && protocol !== "file:") { rest = "//" + rest.replace(/^\/+/, ""); }
    if (!rest.startsWith("//")) {
      if (rest.startsWith("/") || protocol === "file:") { url.path = clean(rest, isSpecial); } else { url.path = escape(rest, "").replace(/%20/g, " ").replace(/ +$/, ""); url.opaque = true; }
      return url;
    }
    rest = rest.slice(2); at = rest.indexOf("/"); let authority = at < 0 ? rest : rest.slice(0, at); const path = at < 0 ? "" : rest.slice(at);
    at = authority.lastIndexOf("@");
    if (at >= 0) { const [user, ...words] = authority.slice(0, at).split(":"); url.username = escape(user, USER); url.password = escape(words.join(":"), USER); authority = authority.slice(at + 1); }
    const port = /:([^\]:]*)$/.exec(authority);
    if (port) { url.port = portOf(port[1], protocol, input); authority = authority.slice(0, port.index); }
    if (authority || (isSpecial && protocol !== "file:")) { url.host = hostOf(authority, isSpecial, input); }
    if (protocol === "file:" && url.host === "localhost") { url.host = ""; }
    url.path = path || isSpecial ? clean(path, isSpecial) : "";
    return url;
  };
  class URL {
    #url; #params;
    constructor(input, base) {
      if (arguments.length === 0) { throw new TypeError('The "url" argument must be specified'); }
      this.#url = parse(input, base === undefined ? null : parse(base, null)); this.#link();
    }
    #link() { this.#params = new URLSearchParams(this.#url.search, (text) => { this.#url.search = text ? "?" + text : ""; }); }
    static canParse(input, base) { try { return Boolean(new URL(input, base)); } catch { return false; } }
    static parse(input, base) { try { return new URL(input, base); } catch { return null; } }
    get href() { const { protocol, username, password, path, search, hash } = this.#url; const user = username || password ? username + (password ? ":" + password : "") + "@" : ""; const slashes = this.#url.host || protocol === "file:" ? "//" : !this.#url.opaque && path.startsWith("//") ? "/." : ""; return protocol + slashes + user + this.host + path + search + hash; }
    set href(value) { this.#url = parse(value, null); this.#link(); }
    get origin() { const { protocol } = this.#url; return special(protocol) && protocol !== "file:" ? protocol + "//" + this.host : "null"; }
    get protocol() { return this.#url.protocol; }
    set protocol(value) { const protocol = String(value).replace(/:.*$/, "").toLowerCase() + ":"; if (/^[a-z][a-z0-9+.\-]*:$/.test(protocol) && special(protocol) === special(this.#url.protocol)) { this.#url.protocol = protocol; if (ports[protocol] === this.#url.port) { this.#url.port = ""; } } }
    get username() { return this.#url.username; }
    set username(value) { this.#url.username = escape(String(value), USER); }
    get password() { return this.#url.password; }
    set password(value) { this.#url.password = escape(String(value), USER); }
    get host() { return this.#url.host + (this.#url.port ? ":" + this.#url.port : ""); }
    set host(value) { const [, name, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?/.exec(String(value)); this.hostname = name; if (port !== undefined) { this.port = port; } }
    get hostname() { return this.#url.host; }
    set hostname(value) { try { this.#url.host = hostOf(String(value), special(this.#url.protocol), value); } catch { return; } }
    get port() { return this.#url.port; }
    set port(value) { const digits = /^\d*/.exec(String(value))[0]; if (digits || value === "") { this.#url.port = portOf(digits, this.#url.protocol, value); } }
    get pathname() { return this.#url.path; }
    set pathname(value) { if (!this.#url.opaque) { this.#url.path = clean(String(value), special(this.#url.protocol)); } }
    get search() { return this.#url.search; }
    set search(value) { const text = String(value).replace(/^\?/, ""); this.#url.search = text ? "?" + escape(text, QUERY + "'") : ""; this.#link(); }
    get searchParams() { return this.#params; }
    get hash() { return this.#url.hash; }
    set hash(value) { const text = String(value).replace(/^#/, ""); this.#url.hash = text ? "#" + escape(text, FRAGMENT) : ""; }
    toString() { return this.href; }
    toJSON() { return this.href; }
    get [Symbol.toStringTag]() { return "URL"; }
  }
  define("URL", URL); define("URLSearchParams", URLSearchParams);
})();
