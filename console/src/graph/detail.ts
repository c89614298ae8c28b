// What stands below the name of a node, in the language of the page: the server tells it in English, by type and number.
import type { GraphNode } from '../api/types.ts'
import { type Counted, tn } from '../words/words.ts'

const FORMS: readonly (readonly [type: string, form: RegExp, word: Counted])[] = [
  ['start', /^(\d+) inputs?$/, 'detail.inputs'],
  ['human-input', /^(\d+) hours?$/, 'detail.hours'],
  ['human-input', /^(\d+) days?$/, 'detail.days'],
  ['iteration', /^(\d+) in parallel$/, 'detail.side_by_side'],
  ['loop', /^(\d+) rounds at most$/, 'detail.rounds'],
]

export function detailOf({ type, detail }: Pick<GraphNode, 'type' | 'detail'>): string {
  for (const [of, form, word] of FORMS) {
    const found = type === of ? form.exec(detail) : null
    if (found) return tn(word, Number(found[1]))
  }
  return detail
}
