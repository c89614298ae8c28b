import { useCallback, useMemo } from 'react'
import { Boundary, Skeleton } from '../../parts/Panel.tsx'
import { StepTree } from '../../parts/StepTree.tsx'
import { axis } from '../../run/axis.ts'
import { type Row, rows } from '../../run/rows.ts'
import { count, duration, t } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'

/** A moment of the axis: `5 s` rather than `5.00 s`. */
const tickLabel = (at: number): string =>
  at === 0 ? '0' : at < 1 || at >= 60 ? duration(at) : t('time.seconds', { s: at })

type StepsProps = {
  view: RunView
  onlyFailed: boolean
  setOnly: (on: boolean) => void
  tree: React.RefObject<HTMLDivElement | null>
  toInspector: () => void
}

export function Steps({ view, onlyFailed, setOnly, tree, toInspector }: StepsProps) {
  const list = useMemo(() => rows(view.run, view.open, onlyFailed), [view.run, view.open, onlyFailed])
  const on = useMemo(
    () => axis(view.latest, view.atEnd ? view.moment : view.latest.at),
    [view.latest, view.atEnd, view.moment],
  )
  const { pick: choose } = view
  const pick = useCallback(
    (row: Row) => {
      if (row.kind === 'node') choose(row.id)
      else if (row.kind === 'round') choose(row.of.id, row.index)
    },
    [choose],
  )
  const all = view.run.executions.length
  return (
    <section className="steps" aria-labelledby="steps-title">
      <header>
        <h2 id="steps-title">{t('steps')}</h2>
        <span className="faint num">
          {view.unread
            ? ''
            : all > list.length
              ? t('of', { n: count(list.length), all: count(all) })
              : count(list.length)}
        </span>
        <span className="more" />
        <label className="row dim">
          <input type="checkbox" checked={onlyFailed} onChange={event => setOnly(event.target.checked)} />{' '}
          {t('steps.only_failed')}
        </label>
        <div className="axis only-large" aria-hidden="true">
          {(view.unread ? [] : on.ticks).map(tick => (
            <span key={tick.at} style={{ left: `${tick.x}%` }}>
              {tickLabel(tick.at)}
            </span>
          ))}
        </div>
      </header>
      <Boundary>
        {view.begins && <Skeleton rows={4} height={28} />}
        {list.length === 0 && view.follow.phase !== 'loading' && view.follow.phase !== 'failed' && (
          <p className="empty dim">{t(onlyFailed ? 'steps.none_failed' : 'steps.none')}</p>
        )}
        <StepTree
          rows={list}
          picked={view.picked.row}
          pick={pick}
          toggle={view.toggle}
          axis={on}
          now={view.moment}
          playhead={view.atEnd ? undefined : view.run.at}
          toInspector={toInspector}
          tree={tree}
        />
      </Boundary>
    </section>
  )
}
