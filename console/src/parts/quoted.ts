// Code that a file has between quotes, as exports of Dify and files of JSON do: its line breaks and quotes are escaped there.

const CODE = /^ *(?:- )?"?(?:code|template)"?: (?:"((?:[^"\\]|\\[\s\S])*)"|'((?:[^']|'')*)'),?[ \t]*$/m
const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  0: '\0',
  a: '\x07',
  b: '\b',
  e: '\x1b',
  f: '\f',
  v: '\v',
  N: '\x85',
  _: '\xa0',
  L: '\u2028',
  P: '\u2029',
}

/** The line breaks of a text over several lines: one is a space, more are one less. */
const folded = (breaks: string): string => '\n'.repeat(breaks.split('\n').length - 2) || ' '

/** The code of a node's lines, if they have it between quotes and on several lines. */
export function quotedCode(yaml: string): { code: string; language: string } | undefined {
  const [, double, single] = CODE.exec(yaml) ?? []
  const code =
    double === undefined
      ? single?.replace(/''|[ \t]*\n[ \t\n]*/g, found => (found === "''" ? "'" : folded(found)))
      : double.replace(
          /\\(?:\r?\n[ \t]*|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))|[ \t]*\n[ \t\n]*/g,
          (found, two, four, eight, one) => {
            const number = Number.parseInt(two ?? four ?? eight, 16)
            if (number <= 0x10ffff) return String.fromCodePoint(number)
            if (one) return ESCAPES[one] ?? one
            return found.startsWith('\\') ? '' : folded(found)
          },
        )
  if (!code?.trim().includes('\n')) return undefined
  return { code, language: /^ *"?code_language"?: *['"]?(\w+)/m.exec(yaml)?.[1] ?? '' }
}
