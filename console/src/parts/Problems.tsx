import { Fragment } from 'react'
import type { Problem } from '../api/types.ts'
import { problemText, worded } from '../words/messages.ts'
import { t } from '../words/words.ts'
import { Code } from './Code.tsx'
import { Icon } from './Icon.tsx'
import { Row } from './Panel.tsx'

/** How a level is drawn. */
export const LEVELS = { error: 'failed', will_fail: 'failed', may_fail: 'partial', warning: 'partial' } as const

/** What `jikko check` finds. A problem of a node jumps to it. */
export function Problems({
  problems,
  titles,
  pick,
  picked = '',
}: {
  problems: readonly Problem[]
  titles?: ReadonlyMap<string, string>
  pick?: (node: string) => void
  picked?: string
}) {
  if (problems.length === 0)
    return (
      <p className="empty dim">
        <Code text={t('problems.none')} />
      </p>
    )
  // What is wrong in the same words at several nodes is said once.
  const alike = new Map<string, Problem[]>()
  for (const one of problems) {
    const words = JSON.stringify([one.level, problemText(one), one.hint])
    alike.set(words, [...(alike.get(words) ?? []), one])
  }
  return [...alike.values()].map((all, index) => {
    const one = all[0] as Problem
    return (
      <Row key={index} className="prob" picked={picked !== '' && all.some(({ node_id: node }) => node === picked)}>
        <span className={`st st-${LEVELS[one.level] ?? 'partial'}`} title={t(`level.${one.level}`)}>
          <Icon name={LEVELS[one.level] ?? 'partial'} />
          <span className="sr">{t(`level.${one.level}`)}</span>
        </span>
        <div className="grow">
          {pick &&
            all.map(({ node_id: node }, place) => {
              const title = node ? titles?.get(node) : undefined
              return title ? (
                <Fragment key={place}>
                  <button type="button" className="link strong" onClick={() => pick(node as string)}>
                    {title}
                  </button>{' '}
                </Fragment>
              ) : null
            })}
          <Code text={problemText(one)} />
          {one.hint && (
            <div className="dim">
              <Code text={worded(one.remedy, one.hint)} />
            </div>
          )}
          {all.map(
            ({ path }, place) =>
              path && (
                <div key={place} className="faint mono">
                  {path}
                </div>
              ),
          )}
        </div>
      </Row>
    )
  })
}
