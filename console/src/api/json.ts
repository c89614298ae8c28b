// JSON as it was written: whole numbers beyond 2^53 keep their digits, where the browser can tell these.

type Source = { readonly source?: string }
const raw = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON

/** A whole number of 16 digits or more may stand there. */
const LONG = /[:,[\s]-?\d{16,}(?![\d.eE])/

/** What a text of JSON says. A whole number that a `number` would change is a `bigint`. */
export function parsed(text: string): unknown {
  if (!raw || !LONG.test(text)) return JSON.parse(text)
  const keep = (_: string, value: unknown, at?: Source): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && at?.source && /^-?\d+$/.test(at.source)
      ? BigInt(at.source)
      : value
  return JSON.parse(text, keep)
}

/** A number that somebody wrote, with all of its digits. */
export const numberOf = (text: string): number | bigint =>
  /^-?\d+$/.test(text) && !Number.isSafeInteger(Number(text)) ? BigInt(text) : Number(text)

/** A value as JSON. */
export const written = (value: unknown, space = 0): string =>
  JSON.stringify(
    value,
    (_, one: unknown) => (typeof one === 'bigint' ? (raw ? raw(String(one)) : Number(one)) : one),
    space,
  )
