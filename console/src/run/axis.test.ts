import { expect, test } from 'vitest'
import { axis } from './axis.ts'
import { begin } from './fold.ts'
import type { RunState, Wait } from './state.ts'

const run = (at: number, waits: Wait[] = [], status: RunState['status'] = 'succeeded'): RunState => ({
  ...begin(),
  startedAt: 100,
  at,
  waits,
  status,
})

test('moments of a run stand where they were in its time; what is outside of it, at its edges', () => {
  const { x, span } = axis(run(110), 500)
  expect(span).toBe(10)
  expect([90, 100, 102.5, 110, 120].map(x)).toEqual([0, 0, 25, 100, 100])
})

test('a run that goes on ends now, or with its last event where clocks differ', () => {
  expect(axis(run(110, [], 'running'), 140).span).toBe(40)
  expect(axis(run(110, [], 'running'), 105).span).toBe(10)
  expect(axis(run(100), 100).x(100)).toBe(0)
})

test('a wait is a sliver, in which its own time goes on; one that is not over ends with the run', () => {
  const { x, span, waits } = axis(run(1110, [{ from: 105, until: 1105 }]), 5000)
  expect(span).toBe(10)
  expect(waits).toEqual([{ from: 105, until: 1105 }])
  expect([105, 605, 1105, 1110].map(x)).toEqual([48.25, 50, 51.75, 100].map(value => expect.closeTo(value)))
  expect(axis(run(105, [{ from: 105 }], 'paused'), 305)).toMatchObject({ span: 5, waits: [{ from: 105, until: 305 }] })
})

test('a wait from before the start, of the run that this one repeats, bends nothing', () => {
  const { x, span, waits } = axis(run(110, [{ from: 40, until: 95 }]), 500)
  expect([span, waits, x(105)]).toEqual([10, [], 50])
})

test('however many waits there are, they take three tenths of the width', () => {
  const waits = Array.from({ length: 100 }, (_, at) => ({ from: 101 + at * 11, until: 111 + at * 11 }))
  const { x, span } = axis(run(100 + 101 * 11, waits), 0)
  expect(span).toBe(111)
  expect(x(111) - x(101)).toBeCloseTo(0.3)
  expect(x(100 + 101 * 11)).toBeCloseTo(100)
})

test('ticks stand at round seconds of work, as many as can be read, and none at the right edge', () => {
  const plain = axis(run(110), 0).ticks
  expect(plain).toEqual([0, 2, 4, 6, 8].map(at => ({ at, x: at * 10 })))
  expect(axis(run(107), 0).ticks.map(tick => tick.at)).toEqual([0, 1, 2, 3, 4, 5, 6])
  const folded = axis(run(1110, [{ from: 105, until: 1105 }]), 0).ticks
  expect(folded.map(tick => tick.at)).toEqual([0, 2, 4, 6, 8])
  expect(folded[3]).toEqual({ at: 6, x: expect.closeTo(48.25 + 3.5 + 9.65) })
  expect(axis(run(100 + 700_000), 0).ticks).toHaveLength(7)
})
