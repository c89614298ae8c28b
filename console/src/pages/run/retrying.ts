// By which version a run is repeated, and what that takes over.
import type { RetryChoice } from '../../api/types.ts'
import { visible } from '../../words/visible.ts'
import { listed, t, tn } from '../../words/words.ts'

/** The version that a retry takes unless another is chosen: the current one, unless only that of the run can be. */
export const proposed = (choices: readonly RetryChoice[]): RetryChoice | undefined =>
  choices.find(one => one.why_not === null) ?? choices[0]

/** The version that runs, if the run has an older one; and the number of steps that it takes over. */
export const summaryOf = (choice: RetryChoice, choices: readonly RetryChoice[]): [string, string] => [
  choices.length > 1 ? t('version', { n: choice.version }) : '',
  tn('retry.taken', choice.taken_over.length),
]

/** The steps that a choice takes over and repeats, and why the current version cannot run. */
export function detailsOf(choice: RetryChoice, choices: readonly RetryChoice[]): string {
  const titles = (nodes: RetryChoice['taken_over']) => listed(nodes.map(one => visible(one.title))) || '–'
  const refused = choices.find(one => one.is_current && one.why_not)
  return [
    t('retry.takes', { nodes: titles(choice.taken_over) }),
    t('retry.repeats', { nodes: titles(choice.from_nodes) }),
    ...(refused ? [t('retry.why_not', { n: refused.version, why: refused.why_not ?? '' })] : []),
  ].join('\n')
}

/** The choices beside the proposed one, and what each is called. */
export const otherChoices = (choices: readonly RetryChoice[]): { label: string; version: number }[] =>
  choices
    .filter(one => one !== proposed(choices))
    .map(one => ({ label: t('retry.with', { n: one.version }), version: one.version }))

/** What a retry from a node is called, with its version where that is not the run's own by necessity. */
export function fromHere(choices: readonly RetryChoice[]): string {
  const first = proposed(choices)
  return first && choices.length > 1 ? `${t('retry.here')} · ${t('version', { n: first.version })}` : t('retry.here')
}
