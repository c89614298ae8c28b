import type { Problem } from '../api/types.ts'
import { problemText, worded } from '../words/messages.ts'
import { t } from '../words/words.ts'
import { Code } from './Code.tsx'
import { Icon } from './Icon.tsx'

const LOOK = { error: 'failed', will_fail: 'failed', may_fail: 'partial', warning: 'partial' } as const

/** What `jikko check` finds. A problem of a node jumps to it. */
export function Problems({
  problems,
  titles,
  pick,
}: {
  problems: readonly Problem[]
  titles?: ReadonlyMap<string, string>
  pick?: (node: string) => void
}) {
  if (problems.length === 0)
    return (
      <p className="empty dim">
        <Code text={t('problems.none')} />
      </p>
    )
  return problems.map((one, index) => {
    const title = one.node_id ? titles?.get(one.node_id) : undefined
    return (
      <div key={index} className="prob">
        <span className={`st st-${LOOK[one.level] ?? 'partial'}`} title={t(`level.${one.level}`)}>
          <Icon name={LOOK[one.level] ?? 'partial'} />
          <span className="sr">{t(`level.${one.level}`)}</span>
        </span>
        <div className="grow">
          {title && pick && (
            <>
              <button type="button" className="link strong" onClick={() => pick(one.node_id as string)}>
                {title}
              </button>{' '}
            </>
          )}
          <Code text={problemText(one)} />
          {one.hint && (
            <div className="dim">
              <Code text={worded(one.remedy, one.hint)} />
            </div>
          )}
          {one.path && <div className="faint mono">{one.path}</div>}
        </div>
      </div>
    )
  })
}
