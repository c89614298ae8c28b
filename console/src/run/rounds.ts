// The rounds of a container: lanes, bars, figures.
import type { Axis } from './axis.ts'
import type { Execution, RoundState } from './state.ts'

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
