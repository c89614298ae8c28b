// What the page shows of a state: pure functions of the fold's states, without React and without a clock.
import type { RunEvent } from './events.ts'
import { find } from './fold.ts'
import type { Execution, RoundState, RunState } from './state.ts'

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

/** Whether an execution has ended: what it left undone stays so. */
export const hasEnded = ({ status }: Pick<Execution, 'status'>): boolean =>
  status !== 'running' && status !== 'waiting' && status !== 'paused'

export const isOver = (run: RunState): boolean => !['running', 'paused', 'waiting', 'parked'].includes(run.status)

/** Seconds that the run was running, pauses left out. */
export const elapsedOf = (run: RunState, now: number): number =>
  run.runningSince === undefined ? run.elapsed : run.elapsed + Math.max(0, now - run.runningSince)

export const tookOf = (execution: Execution, now: number): number =>
  execution.elapsed ?? Math.max(0, now - execution.startedAt)

export const lastOf = (run: RunState, id: string): Execution | undefined =>
  run.executions[run.nodes.get(id)?.last ?? -1]

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

/** The event that has an execution's values; undefined if it is not here yet. */
export function valuesOf(events: readonly RunEvent[], execution: Execution): RunEvent | undefined {
  const event = events[execution.valuesIn]
  return event && 'execution_id' in event && event.execution_id === execution.id ? event : undefined
}

/** What its model says, or said until it failed: as the run shows it, or as its log has it besides. */
export function saidOf(run: RunState, { nodeId, rounds, said }: Execution): string | undefined {
  const text = rounds.length > 0 ? '' : (run.text.get(`${nodeId}.text`) ?? '')
  return (text.length < said.length ? said : text) || undefined
}

/** The execution that an address names: by its own id, or the last one of a node. */
export const named = (run: RunState, id: string): Execution | undefined => find(run, id) ?? lastOf(run, id)
