// What the server finds and says in sentences that have no code, in Japanese: findings of `jikko check` (`findings.ts`),
// what is to be mended (`mending.ts`), checks of the sandbox (`sandbox.ts`), problems of documents (`documents.ts`).
// `tests/http/console/test_sentences.py` holds this against the server's sentences.
import { DOCUMENTS } from './documents.ts'
import { FINDINGS } from './findings.ts'
import { MENDING } from './mending.ts'
import { SANDBOX } from './sandbox.ts'
import { language } from './words.ts'

export type Sentence = readonly [RegExp, string]

const ALL = [...FINDINGS, ...MENDING, ...SANDBOX, ...DOCUMENTS]

function known(text: string, of: readonly Sentence[]): string | undefined {
  for (const [says, words] of of) {
    const found = says.exec(text)
    if (found) return words.replace(/\$(\d)/g, (_, place: string) => within(found[Number(place)] ?? ''))
  }
  return undefined
}

/** What a sentence is about may be a sentence itself, of several clauses. */
function within(text: string): string {
  if (!text.includes(' ')) return text
  return known(text, ALL) ?? (text.includes('; ') ? text.split('; ').map(clause).join('；') : text)
}

const clause = (text: string): string => known(text, ALL) ?? within(text)

/** A sentence of the server about a file, itself or the sandbox, in Japanese where it is known. */
export function sentence(text: string): string {
  return language() === 'ja' ? clause(text) : text
}
