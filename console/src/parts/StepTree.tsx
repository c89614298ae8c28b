// The steps of a run: a tree, and beside each row its part of the time. One list, one scroll, one tab stop.
import { useVirtualizer } from '@tanstack/react-virtual'
import {
  type KeyboardEvent,
  memo,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from 'react'
import { pressed } from '../app/keys.ts'
import { PRINTED, usePrinting } from '../app/usePrinting.ts'
import type { Axis } from '../run/axis.ts'
import { roundBars } from '../run/rounds.ts'
import type { Row } from '../run/rows.ts'
import { type Shown, shown, tookOf } from '../run/selectors.ts'
import type { Execution } from '../run/state.ts'
import { visible } from '../words/visible.ts'
import { count, duration, t, tn } from '../words/words.ts'
import { Icon, Kind, Mark } from './Icon.tsx'

type Props = {
  rows: readonly Row[]
  picked: string
  pick: (row: Row) => void
  toggle: (id: string, open?: boolean) => void
  axis: Axis
  now: number
  /** The moment that is looked at, if it is an earlier one. */
  playhead?: number | undefined
  toInspector: () => void
  tree: RefObject<HTMLDivElement | null>
}

const ROW = 28
const SMALL_ROW = 40
const narrow = () => window.matchMedia('(max-width: 760px)')
const onTurn = (then: () => void) => {
  const query = narrow()
  query.addEventListener('change', then)
  return () => query.removeEventListener('change', then)
}

export function StepTree({ rows, picked, pick, toggle, axis, now, playhead, toInspector, tree }: Props) {
  const small = useSyncExternalStore(onTurn, () => narrow().matches)
  const printing = usePrinting()
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => tree.current,
    estimateSize: () => (small ? SMALL_ROW : ROW),
    overscan: printing ? PRINTED : 12,
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows are of another height once the screen is
  useLayoutEffect(() => virtual.measure(), [small, virtual])
  const at = rows.findIndex(row => row.id === picked)
  const shownRow = useRef('')
  useEffect(() => {
    if (at < 0 || shownRow.current === picked) return
    shownRow.current = picked
    virtual.scrollToIndex(at, { align: 'auto' })
  }, [at, picked, virtual])
  const choose = (index: number) => {
    let next = Math.max(0, Math.min(rows.length - 1, index))
    if (rows[next]?.kind === 'queued') next = Math.max(0, next - 1)
    const row = rows[next]
    if (row) pick(row)
  }
  const keys = (event: KeyboardEvent) => {
    const row = rows[at]
    const action = pressed('steps', event)
    if (action === 'next') choose(at + 1)
    else if (action === 'previous') choose(at < 0 ? 0 : at - 1)
    else if (action === 'first') choose(0)
    else if (action === 'last') choose(rows.length - 1)
    else if (action === 'open' && row && row.kind !== 'queued' && row.open !== undefined)
      row.open ? choose(at + 1) : toggle(row.id, true)
    else if (action === 'close' && row && row.kind !== 'queued') {
      if (row.open) toggle(row.id, false)
      else
        choose(
          Math.max(
            0,
            rows.slice(0, at).findLastIndex(above => above.depth < row.depth),
          ),
        )
    } else if (action === 'enter') toInspector()
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  const items = virtual.getVirtualItems()
  const { place, all } = useMemo(() => siblings(rows), [rows])
  return (
    <div
      className="tree"
      role="tree"
      ref={tree}
      tabIndex={0}
      aria-label={t('steps.label')}
      aria-activedescendant={at >= 0 && items.some(item => item.index === at) ? `step-${picked}` : undefined}
      onKeyDown={keys}
    >
      <div role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map(item => {
          const row = rows[item.index] as Row
          return (
            <Step
              key={row.id}
              row={row}
              top={item.start}
              place={place[item.index] ?? 1}
              all={all[item.index] ?? 1}
              isPicked={row.id === picked}
              pick={pick}
              toggle={toggle}
              axis={axis}
              now={isGoing(row) ? now : 0}
              playhead={playhead}
            />
          )
        })}
      </div>
    </div>
  )
}

/** The place of each row among those of its level within one parent, from 1, and how many these are. */
export function siblings(rows: readonly Pick<Row, 'depth'>[]): { place: number[]; all: number[] } {
  const [place, all, levels]: [number[], number[], number[][]] = [[], [], []]
  const close = (depth: number) => {
    while (levels.length > depth) {
      const level = levels.pop() ?? []
      for (const index of level) all[index] = level.length
    }
  }
  for (const [index, { depth }] of rows.entries()) {
    close(depth + 1)
    levels[depth] ??= []
    place[index] = levels[depth].push(index)
  }
  close(0)
  return { place, all }
}

const isGoing = (row: Row): boolean =>
  row.kind === 'node'
    ? row.execution.elapsed === undefined
    : row.kind === 'round'
      ? row.round.elapsed === undefined
      : false

type StepProps = Pick<Props, 'pick' | 'toggle' | 'axis' | 'now' | 'playhead'> & {
  row: Row
  top: number
  place: number
  all: number
  isPicked: boolean
}

const Step = memo(function Step({ row, top, place, all, isPicked, pick, toggle, axis, now, playhead }: StepProps) {
  const open = row.kind === 'queued' ? undefined : row.open
  const status =
    row.kind === 'queued'
      ? row.never
        ? 'skipped'
        : 'queued'
      : row.kind === 'round'
        ? shown(row.round.status)
        : shown(row.execution.status)
  const turn = open === undefined ? undefined : () => toggle(row.id)
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the tree's
    <div
      className="step"
      role="treeitem"
      id={`step-${row.id}`}
      aria-level={row.depth + 1}
      aria-expanded={open}
      aria-selected={isPicked}
      aria-posinset={place}
      aria-setsize={all}
      tabIndex={-1}
      style={{ top, ['--d' as string]: row.depth }}
      onClick={event => {
        if (row.kind === 'queued') return
        if (turn && (event.target as HTMLElement).closest('.tw')) turn()
        else pick(row)
      }}
      onDoubleClick={turn}
    >
      <div className="n">
        <span className="tw">{open === undefined ? null : <Icon name="chev" />}</span>
        <Mark status={status} />
        <Name row={row} now={now} status={status} />
      </div>
      <div className="lane" aria-hidden="true">
        {axis.waits.map(wait => (
          <i
            key={wait.from}
            className="gap"
            title={t('steps.waited', { time: duration(wait.until - wait.from) })}
            style={{ left: `${axis.x(wait.from)}%`, width: `${axis.x(wait.until) - axis.x(wait.from)}%` }}
          />
        ))}
        <Bars row={row} axis={axis} now={now} status={status} />
        {playhead !== undefined && <i className="ph" style={{ left: `${axis.x(playhead)}%` }} />}
      </div>
    </div>
  )
})

function Name({ row, now, status }: { row: Row; now: number; status: Shown }) {
  if (row.kind === 'queued')
    return <span className="dim">{tn(row.never ? 'rounds.never' : 'rounds.queued', row.count)}</span>
  if (row.kind === 'round') {
    return (
      <>
        <span className={`cut ${status === 'failed' ? 'strong' : ''}`}>{t('round', { n: count(row.index + 1) })}</span>
        <span className="x">
          <span className="du">
            {duration(row.round.elapsed ?? (row.round.startedAt ? Math.max(0, now - row.round.startedAt) : undefined))}
          </span>
        </span>
      </>
    )
  }
  const { execution } = row
  const failed = (execution.roundList ?? []).filter(round => round?.status === 'failed').length
  return (
    <>
      <Kind type={execution.type} />
      <span className={`cut ${status === 'failed' ? 'strong' : ''}`} dir="auto">
        {visible(execution.title || execution.type)}
      </span>
      <span className="x">
        {execution.roundList && (
          <span className="faint num small">{`${count(execution.roundsDone ?? 0)}/${count(execution.length ?? execution.roundList.length)}`}</span>
        )}
        {failed > 0 && <span className="tag bad">{tn('steps.failed', failed)}</span>}
        {execution.takenOver && <span className="tag">{t('steps.taken_over')}</span>}
        {execution.attempts.length > 0 && (
          <span className="tag">{tn('steps.tries', execution.attempts.length + 1)}</span>
        )}
        <span className="du">
          {execution.takenOver || execution.status === 'paused' ? '' : duration(tookOf(execution, now))}
        </span>
      </span>
    </>
  )
}

/** How the time of a row went by: a bar for each try, or for each round in lanes. */
function Bars({ row, axis, now, status }: { row: Row; axis: Axis; now: number; status: Shown }) {
  if (row.kind === 'queued') return null
  const bar = (key: string, from: number, until: number, kind: string) => (
    <b
      key={key}
      className={kind}
      style={{ left: `${axis.x(from)}%`, width: `${Math.max(0.15, axis.x(until) - axis.x(from))}%` }}
    />
  )
  if (row.kind === 'round') {
    const from = row.round.startedAt
    return from === undefined
      ? null
      : bar('', from, from + (row.round.elapsed ?? Math.max(0, now - from)), `st-${status}`)
  }
  const { execution } = row
  if (execution.takenOver) return null
  if (execution.roundList) {
    const { bars, lanes } = roundBars(execution.roundList, axis, now)
    const height = Math.max(1, Math.min(5, 21 / lanes - 0.6))
    return bars.map((one, index) => (
      <b
        key={index}
        className={`rd st-${one.status}`}
        style={{
          left: `${one.left}%`,
          width: `max(1px, calc(${one.right - one.left}% - 1px))`,
          ['--h' as string]: `${height}px`,
          ['--y' as string]: `${4 + one.lane * (20 / lanes)}px`,
        }}
      />
    ))
  }
  const stretches = tries(execution, execution.startedAt + tookOf(execution, now))
  return stretches.map(([from, until], index) =>
    bar(String(index), from, until, index < stretches.length - 1 ? 'try st-failed' : `st-${status}`),
  )
}

/** Each try of an execution from when until when, the last one up to `until`. */
export function tries(execution: Execution, until: number): [number, number][] {
  const out: [number, number][] = []
  let from = execution.startedAt
  for (const attempt of execution.attempts) {
    out.push([from, Math.max(from, attempt.at)])
    from = Math.max(from, attempt.at)
  }
  return [...out, [from, Math.max(from, until)]]
}
