// Why a run failed, and what else went wrong in it.
import { find } from './fold.ts'
import type { Execution, RunState } from './state.ts'

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
