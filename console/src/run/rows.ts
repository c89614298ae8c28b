// The steps of a run as the rows of a tree.
import { hasEnded } from './selectors.ts'
import type { Execution, RoundState, RunState } from './state.ts'

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
  /** Rounds that did not begin; `never`: nor will they. */
  | {
      readonly kind: 'queued'
      readonly id: string
      readonly depth: number
      readonly count: number
      readonly never: boolean
    }

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
      out.push({
        kind: 'queued',
        id: `${execution.id}:rest`,
        depth: depth + 1,
        count: queued,
        never: hasEnded(execution),
      })
  }
  for (const execution of run.executions) if (execution.rounds.length === 0) add(execution, 0)
  return out
}

/** The rows that have to be open so that an execution is seen. */
export const above = (execution: Execution): readonly string[] =>
  execution.rounds.flatMap(round => [round[0], roundId(round[0], round[3])])
