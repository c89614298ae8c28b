import { Icon, Mark, statusWord } from '../../parts/Icon.tsx'
import { Json, LongText } from '../../parts/Json.tsx'
import { useRoving } from '../../parts/useRoving.ts'
import { roundFigures } from '../../run/rounds.ts'
import { hasEnded, shown } from '../../run/selectors.ts'
import type { Execution } from '../../run/state.ts'
import { visible } from '../../words/visible.ts'
import { clock, count, duration, t } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'

/** Up to so many rounds are squares; beyond, each stands for several. */
const SQUARES = 400

/** A container: how its rounds went, all of them at one look, and what failed. */
export function Rounds({ view, execution }: { view: RunView; execution: Execution }) {
  const list = execution.roundList ?? []
  const length = Math.max(execution.length ?? 0, list.length)
  const figures = roundFigures(execution)
  const slowest = figures.slowest ?? 1
  const squares = Math.min(SQUARES, length)
  const step = length / Math.max(1, squares)
  /** Of several rounds the one that matters most. */
  const worst = (square: number): number => {
    const from = Math.floor(square * step)
    const until = Math.max(from + 1, Math.floor((square + 1) * step))
    for (let at = from; at < until; at++) if (list[at]?.status === 'failed') return at
    for (let at = from; at < until; at++) if (list[at]?.status === 'running') return at
    return from
  }
  const statusOf = (round: number): string => {
    const status = list[round]?.status ?? 'queued'
    return status === 'queued' && hasEnded(execution) ? 'skipped' : status
  }
  const pick = (round: number) => {
    view.toggle(execution.id, true)
    view.pick(execution.id, round)
  }
  const { keys, part } = useRoving(squares, 0)
  const failed = list.flatMap((round, index) => (round?.status === 'failed' ? [{ round, index }] : []))
  return (
    <>
      <dl className="kv">
        <Pair name={t('rounds.finished')} value={t('of', { n: count(figures.done), all: count(length) })} />
        {figures.failed > 0 && <Pair name={t('status.failed')} value={count(figures.failed)} bad />}
        <Pair name={t('rounds.side_by_side')} value={count(figures.sideBySide)} />
        {figures.p50 !== undefined && <Pair name={t('rounds.median')} value={duration(figures.p50)} />}
        {figures.p95 !== undefined && <Pair name={t('rounds.p95')} value={duration(figures.p95)} />}
        {figures.slowest !== undefined && <Pair name={t('rounds.slowest')} value={duration(figures.slowest)} />}
      </dl>
      <div>
        <h3 className="label small">{t('rounds.all')}</h3>
        <div
          className={`roundgrid ${length > SQUARES ? 'strip100' : ''}`}
          role="toolbar"
          aria-label={t('rounds.all')}
          onKeyDown={keys}
        >
          {Array.from({ length: squares }, (_, square) => {
            const round = worst(square)
            const status = statusOf(round)
            const label = `${t('round', { n: count(round + 1) })}, ${statusWord(status)}`
            return (
              <button
                key={square}
                type="button"
                className={`st-${status}`}
                aria-label={label}
                title={`${label}${list[round]?.elapsed === undefined ? '' : `, ${duration(list[round]?.elapsed)}`}`}
                onClick={() => pick(round)}
                {...part(square)}
              />
            )
          })}
        </div>
      </div>
      <div>
        <h3 className="label small">{t('rounds.took')}</h3>
        <div className={squares > 150 ? 'bars many' : 'bars'} aria-hidden="true">
          {Array.from({ length: squares }, (_, square) => {
            const at = worst(square)
            const round = list[at]
            return (
              <i
                key={square}
                className={`st-${statusOf(at)}`}
                style={{ height: `${Math.max(3, ((round?.elapsed ?? 0) / slowest) * 100)}%` }}
              />
            )
          })}
        </div>
      </div>
      {failed.slice(0, 3).map(({ round, index }) => (
        <div key={index} className="err">
          <b>
            <Icon name="failed" />
            <button type="button" className="link" onClick={() => pick(index)}>
              {t('round', { n: count(index + 1) })}
            </button>
          </b>
          <LongText text={round.error ?? ''} />
        </div>
      ))}
    </>
  )
}

const Pair = ({ name, value, bad = false }: { name: string; value: string; bad?: boolean }) => (
  <div className="pair">
    <dt>{name}</dt>
    <dd className={bad ? 'strong bad' : ''}>{value}</dd>
  </div>
)

/** One round: its item, and what ran in it. */
export function RoundPanel({ view, execution, round }: { view: RunView; execution: Execution; round: number }) {
  const state = execution.roundList?.[round]
  const events = view.follower.log.events
  const begun = events.find(
    event => event.event === 'round_started' && event.execution_id === execution.id && event.round === round,
  )
  const ended = events.find(
    event =>
      event.event === 'round_finished' &&
      event.execution_id === execution.id &&
      event.round === round &&
      event.id <= view.position,
  )
  const inside = view.run.executions.filter(
    one => one.rounds.at(-1)?.[0] === execution.id && one.rounds.at(-1)?.[3] === round,
  )
  return (
    <>
      {state?.error !== undefined && (
        <div className="err">
          <b>
            <Icon name="failed" />
            {t('round.failed')}
          </b>
          <LongText text={state.error} />
        </div>
      )}
      <dl className="kv">
        {state?.elapsed !== undefined && <Pair name={t('runs.took')} value={duration(state.elapsed)} />}
        {state?.startedAt !== undefined && <Pair name={t('detail.began')} value={clock(state.startedAt, true)} />}
      </dl>
      {inside.length > 0 && (
        <ul className="inside">
          {inside.map(one => (
            <li key={one.id}>
              <button
                type="button"
                className="row"
                onClick={() => {
                  view.reveal(one)
                  view.pick(one.id)
                }}
              >
                <Mark status={shown(one.status)} />
                <span className="cut grow">{visible(one.title || one.type)}</span>
                <span className="num dim">{duration(one.elapsed)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {begun && 'variables' in begun && begun.variables && <Json value={begun.variables} />}
      {ended && 'outputs' in ended && ended.outputs && <Json value={ended.outputs} />}
    </>
  )
}
