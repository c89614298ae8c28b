// What the page shows of a state: pure functions of the fold's states, without React and without a clock.
import type { RunEvent } from './events.ts'
import { type Execution, find, type RoundState, type RunState, type Wait } from './fold.ts'

/** A workflow as far as its runs need it: which nodes there are, and which edge leaves them by which way out. */
export type Edges = readonly { readonly source: string; readonly handle: string; readonly target: string }[]
export type Shown =
  | 'running'
  | 'waiting'
  | 'queued'
  | 'paused'
  | 'succeeded'
  | 'failed'
  | 'exception'
  | 'partial'
  | 'stopped'
  | 'skipped'

/** The word and icon for a status of the log. */
export function shown(status: RunState['status'] | Execution['status'] | RoundState['status']): Shown {
  if (status === 'partial-succeeded') return 'partial'
  if (status === 'parked') return 'waiting'
  return status
}

export const isOver = (run: RunState): boolean => !['running', 'paused', 'waiting', 'parked'].includes(run.status)

/** Seconds that the run was running, pauses left out. */
export const elapsedOf = (run: RunState, now: number): number =>
  run.runningSince === undefined ? run.elapsed : run.elapsed + Math.max(0, now - run.runningSince)

export const tookOf = (execution: Execution, now: number): number =>
  execution.elapsed ?? Math.max(0, now - execution.startedAt)

/** Why the run failed: the first failed node of the top level; if it is a container, the first that failed within it. */
export function cause(run: RunState): Execution | undefined {
  if (run.status !== 'failed') return undefined
  const top = run.executions.find(execution => execution.status === 'failed' && execution.rounds.length === 0)
  if (!top?.roundList) return top
  return (
    run.executions.find(inner => inner.status === 'failed' && inner.rounds.some(round => round[0] === top.id)) ?? top
  )
}

/** What failed besides the cause: what ended the run with it, and what was handled (a default, a branch, a round left out). */
export function otherFailures(run: RunState, why: Execution | undefined): { failed: number; handled: number } {
  const around = new Set(why?.rounds.map(round => round[0]))
  let [failed, handled] = [0, 0]
  for (const ordinal of run.failures) {
    const one = run.executions[ordinal]
    if (!one || one === why || around.has(one.id)) continue
    const outer = one.rounds[0] && find(run, one.rounds[0][0])
    if (one.status === 'exception' || (outer && outer.status !== 'failed')) handled++
    else failed++
  }
  return { failed, handled }
}

/** What went wrong and did not end the run: failed tries, failures that were handled, failed rounds of `all`. */
export function exceptions(run: RunState): { tries: number; handled: number; rounds: number; all: number } {
  let [tries, handled, rounds, all] = [0, 0, 0, 0]
  for (const execution of run.executions) {
    tries += execution.attempts.filter(attempt => attempt.reason === 'failed').length
    if (execution.status === 'exception') handled++
    const failed = (execution.roundList ?? []).filter(round => round?.status === 'failed').length
    rounds += failed
    if (failed > 0) all += execution.length ?? execution.roundList?.length ?? 0
  }
  return { tries, handled, rounds, all }
}

const lastOf = (run: RunState, id: string): Execution | undefined => run.executions[run.nodes.get(id)?.last ?? -1]

/** Whether an edge will not be taken any more: its source ended by another way out, or is skipped itself. */
export function isDead(run: RunState, edge: Edges[number], dead: ReadonlySet<string>): boolean {
  const source = lastOf(run, edge.source)
  if (!source) return dead.has(edge.source) || isOver(run)
  if (source.handle !== undefined) return source.handle !== edge.handle || source.status === 'failed'
  return isOver(run) && source.status !== 'succeeded'
}

/** The nodes that did not run and will not: all edges into them are dead. */
export function skipped(edges: Edges, run: RunState): ReadonlySet<string> {
  const into = new Map<string, Edges[number][]>()
  for (const edge of edges) into.set(edge.target, [...(into.get(edge.target) ?? []), edge])
  const dead = new Set<string>()
  for (let before = -1; before !== dead.size; ) {
    before = dead.size
    for (const [id, list] of into) {
      if (!dead.has(id) && !run.nodes.has(id) && list.every(edge => isDead(run, edge, dead))) dead.add(id)
    }
  }
  return dead
}

export type Row =
  | {
      readonly kind: 'node'
      readonly id: string
      readonly depth: number
      readonly execution: Execution
      readonly open?: boolean
    }
  | {
      readonly kind: 'round'
      readonly id: string
      readonly depth: number
      readonly of: Execution
      readonly index: number
      readonly round: RoundState
      readonly open: boolean
    }
  | { readonly kind: 'queued'; readonly id: string; readonly depth: number; readonly count: number }

export const roundId = (execution: string, index: number): string => `${execution}:${index}`

/** The steps as rows: nodes; in an open container its rounds that began; in an open round its nodes. */
export function rows(run: RunState, open: ReadonlySet<string>, onlyFailed: boolean): readonly Row[] {
  const within = new Map<string, Execution[]>()
  for (const execution of run.executions) {
    const around = execution.rounds.at(-1)
    if (!around) continue
    const key = roundId(around[0], around[3])
    if (!open.has(around[0]) && !onlyFailed) continue
    const list = within.get(key)
    if (list) list.push(execution)
    else within.set(key, [execution])
  }
  const out: Row[] = []
  const failed = (execution: Execution): boolean =>
    execution.status === 'failed' ||
    execution.status === 'exception' ||
    (execution.roundList ?? []).some(round => round?.status === 'failed')
  const add = (execution: Execution, depth: number) => {
    if (onlyFailed && !failed(execution)) return
    const isOpen = execution.roundList && (open.has(execution.id) || onlyFailed)
    out.push({ kind: 'node', id: execution.id, depth, execution, ...(execution.roundList ? { open: !!isOpen } : {}) })
    if (!execution.roundList || !isOpen) return
    let queued = 0
    for (const [index, round] of execution.roundList.entries()) {
      if (!round || round.status === 'queued') {
        queued++
        continue
      }
      if (onlyFailed && round.status !== 'failed') continue
      const id = roundId(execution.id, index)
      const openRound = open.has(id) || onlyFailed
      out.push({ kind: 'round', id, depth: depth + 1, of: execution, index, round, open: openRound })
      if (openRound) for (const inner of within.get(id) ?? []) add(inner, depth + 2)
    }
    if (queued > 0 && !onlyFailed)
      out.push({ kind: 'queued', id: `${execution.id}:rest`, depth: depth + 1, count: queued })
  }
  for (const execution of run.executions) if (execution.rounds.length === 0) add(execution, 0)
  return out
}

export type Axis = {
  /** Where a moment stands, in percent of the width. */
  readonly x: (at: number) => number
  /** Seconds that are shown, waits left out. */
  readonly span: number
  readonly waits: readonly { readonly from: number; readonly until: number }[]
  readonly ticks: readonly { readonly at: number; readonly x: number }[]
}

/** A time axis in which stretches without work are folded to a sliver each. `now` ends a run that goes on. */
export function axis(run: RunState, now: number): Axis {
  const start = run.startedAt
  const end = isOver(run) ? run.at : Math.max(now, run.at)
  const waits = run.waits
    .filter((wait: Wait) => wait.from >= start)
    .map(wait => ({ from: wait.from, until: Math.max(wait.from, wait.until ?? end) }))
  const waited = waits.reduce((sum, wait) => sum + wait.until - wait.from, 0)
  const span = Math.max(0.000_01, end - start - waited)
  const sliver = waits.length === 0 ? 0 : Math.min(0.035, 0.3 / waits.length)
  const scale = 1 - sliver * waits.length
  const x = (at: number): number => {
    let worked = at - start
    let slivers = 0
    for (const wait of waits) {
      if (at >= wait.until) {
        worked -= wait.until - wait.from
        slivers += sliver
      } else if (at > wait.from) {
        worked -= at - wait.from
        slivers += (sliver * (at - wait.from)) / (wait.until - wait.from)
      }
    }
    return Math.min(1, Math.max(0, (worked / span) * scale + slivers)) * 100
  }
  return { x, span, waits, ticks: ticks(span, start, waits, x) }
}

function ticks(span: number, start: number, waits: Axis['waits'], x: Axis['x']): Axis['ticks'] {
  const steps = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200,
    21600, 86400,
  ]
  const step = steps.find(candidate => span / candidate <= 7) ?? span / 7
  const out: { at: number; x: number }[] = []
  for (let at = 0; at < span * 0.985; at += step) {
    let moment = start + at
    for (const wait of waits) if (moment >= wait.from && at > 0) moment += wait.until - wait.from
    if (x(moment) < 95) out.push({ at: Math.round(at * 1e6) / 1e6, x: x(moment) })
  }
  return out
}

/** In which lane each stretch stands, so that none overlaps another by more than `slack` seconds. */
export function lanes(
  stretches: readonly { readonly from: number; readonly until: number }[],
  slack = 1e-6,
): readonly number[] {
  const ends: number[] = []
  return stretches.map(({ from, until }) => {
    let lane = ends.findIndex(end => end <= from + slack)
    if (lane < 0) lane = ends.length
    ends[lane] = until
    return lane
  })
}

/** Seconds by which a round may seem to begin before the one that it follows has ended: their clocks are read apart. */
const HANDOVER = 0.02

export type Bar = {
  readonly lane: number
  readonly left: number
  readonly right: number
  readonly status: RoundState['status']
}

/** The rounds of a container as bars in percent. Beyond some hundred, neighbours of one lane and status are one bar. */
export function roundBars(list: readonly RoundState[], on: Axis, now: number): { bars: readonly Bar[]; lanes: number } {
  const begun = list.flatMap(round =>
    round?.startedAt === undefined
      ? []
      : [
          {
            from: round.startedAt,
            until: round.startedAt + (round.elapsed ?? Math.max(0, now - round.startedAt)),
            status: round.status,
          },
        ],
  )
  const where = lanes(begun, HANDOVER)
  const dense = begun.length > 300
  const last = new Map<number, { lane: number; left: number; right: number; status: RoundState['status'] }>()
  const bars: Bar[] = []
  for (const [index, round] of begun.entries()) {
    const lane = where[index] ?? 0
    const bar = { lane, left: on.x(round.from), right: on.x(round.until), status: round.status }
    const before = last.get(lane)
    if (dense && before && before.status === bar.status && bar.left - before.right < 0.1) before.right = bar.right
    else {
      last.set(lane, bar)
      bars.push(bar)
    }
  }
  return { bars, lanes: Math.max(0, ...last.keys()) + 1 }
}

/** How the log goes by, in columns: seconds that pass in each, and whether something failed or a human was asked. */
export function density(
  events: readonly RunEvent[],
  columns: number,
): readonly { seconds: number; kind: 'failed' | 'paused' | '' }[] {
  const count = Math.min(columns, events.length)
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * events.length) / count)
    const until = Math.max(from + 1, Math.floor(((index + 1) * events.length) / count))
    let kind: 'failed' | 'paused' | '' = ''
    for (let at = from; at < until; at++) {
      const event = events[at] as RunEvent
      if (event.event === 'node_attempted' || ('error' in event && event.error !== undefined)) kind = 'failed'
      else if (kind === '' && (event.event.startsWith('form_') || event.event === 'run_paused')) kind = 'paused'
    }
    const first = events[from] as RunEvent
    return { seconds: Math.max(0, (events[Math.min(until, events.length - 1)] as RunEvent).at - first.at), kind }
  })
}

/** Figures of a container's rounds. Durations in seconds; undefined while none has ended. */
export function roundFigures(container: Execution): {
  done: number
  failed: number
  sideBySide: number
  p50?: number
  p95?: number
  slowest?: number
} {
  const list = (container.roundList ?? []).filter(round => round?.elapsed !== undefined)
  const took = list.map(round => round.elapsed as number).sort((a, b) => a - b)
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))]
  const begun = (container.roundList ?? []).flatMap(round =>
    round?.startedAt === undefined ? [] : [{ from: round.startedAt, until: round.startedAt + (round.elapsed ?? 1e9) }],
  )
  return {
    done: list.length,
    failed: list.filter(round => round.status === 'failed').length,
    sideBySide: Math.max(0, ...lanes(begun, HANDOVER).map(lane => lane + 1)),
    p50: at(0.5),
    p95: at(0.95),
    slowest: took.at(-1),
  }
}

/** The rows that have to be open so that an execution is seen. */
export const above = (execution: Execution): readonly string[] =>
  execution.rounds.flatMap(round => [round[0], roundId(round[0], round[3])])

/** The event that has an execution's values; undefined if it is not here yet. */
export function valuesOf(events: readonly RunEvent[], execution: Execution): RunEvent | undefined {
  const event = events[execution.valuesIn]
  return event && 'execution_id' in event && event.execution_id === execution.id ? event : undefined
}

/** The execution that an address names: by its own id, or the last one of a node. */
export const named = (run: RunState, id: string): Execution | undefined => find(run, id) ?? lastOf(run, id)
