// Messages of the server (diagnostics, their remedies, names of checks), in Japanese by their codes. The texts are the
// server's own catalogue.
import ja from '../../../src/jikko/diagnostics/ja.json'
import { language } from './words.ts'

export type Message = { code: string; params: { [name: string]: unknown } }

const JAPANESE: Readonly<Record<string, string | undefined>> = ja

const isMessage = (value: unknown): value is Message => typeof value === 'object' && value !== null && 'code' in value

/** A message in the language of the page. `english` is the server's text of it. */
export function worded(message: Message | null | undefined, english: string): string {
  return (language() === 'ja' && message && japanese(message)) || english
}

function japanese({ code, params }: Message): string | undefined {
  return JAPANESE[code]?.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = params[name]
    return isMessage(value) ? (japanese(value) ?? place) : String(value ?? place)
  })
}

/** The name of a check of the server, such as `no sockets`. */
export const checkName = (name: string): string =>
  worded({ code: `name.${name.replaceAll(' ', '_')}`, params: {} }, name)

/** What a problem of a file is: with the clause that says why it matters less. */
export function problemText(problem: Message & { problem: string; note: string }): string {
  if (language() !== 'ja' || !problem.note) return worded(problem, problem.problem)
  return [worded(problem, problem.problem), worded({ code: problem.note, params: {} }, '')].filter(Boolean).join('；')
}
