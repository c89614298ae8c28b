import { lazy, Suspense, useState } from 'react'
import type { Run } from '../../api/types.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Boundary, PartMissing } from '../../parts/Panel.tsx'
import { count, t, tn } from '../../words/words.ts'
import type { Deed } from './acting.ts'
import type { Filter } from './filter.ts'

const ActOn = lazy(() =>
  import('./ActOn.tsx').catch((): never => {
    throw new PartMissing()
  }),
)
const BUTTONS: readonly (readonly [Deed, string])[] = [
  ['retry', 'again'],
  ['stop', 'stop'],
  ['export', 'download'],
  ['delete', 'trash'],
]
/** Ids of the rows that were chosen; `all`: every run that the filter lets through, those of later pages too. */
export type Chosen = ReadonlySet<string> | 'all'

/** What can be done to the runs that were chosen. */
export function Selection(props: {
  runs: readonly Run[]
  chosen: Chosen
  choose: (chosen: Chosen) => void
  filter: Filter
  /** How many there are on all pages. */
  total: string
  more: boolean
  after: () => void
}) {
  const { runs, chosen, choose } = props
  // What was begun goes on when its rows are listed no more, as after the stream was opened again.
  const [act, setAct] = useState<{ deed: Deed; of: readonly Run[] | Filter }>()
  const rows = chosen === 'all' ? runs : runs.filter(run => chosen.has(run.id))
  return (
    <>
      {rows.length > 0 && (
        // biome-ignore lint/a11y/useSemanticElements: buttons that go together, no fields of a form
        <div className="selection" role="group" aria-label={t('act.chosen')}>
          <span className="num">
            {chosen === 'all' ? t('act.all', { n: props.total }) : tn('act.some', rows.length)}
          </span>
          {chosen !== 'all' && rows.length < runs.length && (
            <button type="button" className="link" onClick={() => choose(new Set(runs.map(run => run.id)))}>
              {t('act.choose_shown', { n: count(runs.length) })}
            </button>
          )}
          {chosen !== 'all' && props.more && (
            <button type="button" className="link" onClick={() => choose('all')}>
              {t('act.choose_all', { n: props.total })}
            </button>
          )}
          <span className="more" />
          {BUTTONS.map(([id, icon]) => (
            <button
              key={id}
              type="button"
              className="btn small"
              onClick={() => setAct({ deed: id, of: chosen === 'all' ? props.filter : rows })}
            >
              <Icon name={icon} small />
              {t(`act.${id}.title`)}
            </button>
          ))}
          <button
            type="button"
            className="btn plain icon small"
            aria-label={t('act.clear')}
            onClick={() => choose(new Set())}
          >
            <Icon name="close" small />
          </button>
        </div>
      )}
      {act && (
        <Boundary>
          <Suspense>
            <ActOn
              {...act}
              close={() => {
                setAct(undefined)
                props.after()
              }}
            />
          </Suspense>
        </Boundary>
      )}
    </>
  )
}
