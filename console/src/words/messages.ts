// Messages of the server (diagnostics, their remedies, names of checks), in the language of the page by their codes.
import { loadMessages, messageText } from './words.ts'

await loadMessages()

export type Message = { code: string; params: { [name: string]: unknown } }

const isMessage = (value: unknown): value is Message => typeof value === 'object' && value !== null && 'code' in value

/** A message in the language of the page. `english` is the server's text of it. */
export function worded(message: Message | null | undefined, english: string): string {
  return (message && told(message)) || english
}

function told({ code, params }: Message): string | undefined {
  return messageText(code)?.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = params[name]
    return isMessage(value) ? (told(value) ?? place) : String(value ?? place)
  })
}

/** The name of a check of the server, such as `no sockets`. */
export const checkName = (name: string): string =>
  worded({ code: `name.${name.replaceAll(' ', '_')}`, params: {} }, name)

/** What a problem of a file is: with the clause that says why it matters less. */
export function problemText(problem: Message & { problem: string; note: string }): string {
  if (!messageText(problem.code) || !problem.note) return worded(problem, problem.problem)
  return [worded(problem, problem.problem), worded({ code: problem.note, params: {} }, '')].filter(Boolean).join('；')
}
