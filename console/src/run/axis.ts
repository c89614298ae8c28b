// The time axis of a run, with its waits folded.
import { isOver } from './selectors.ts'
import type { RunState, Wait } from './state.ts'

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
  const sliver = Math.min(0.035, 0.3 / waits.length)
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
