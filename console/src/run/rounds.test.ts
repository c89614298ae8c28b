import { expect, test } from 'vitest'
import type { Axis } from './axis.ts'
import { lanes, roundBars, roundFigures } from './rounds.ts'
import type { Execution, RoundState } from './state.ts'

const round = (startedAt: number | undefined, elapsed?: number, status = 'succeeded') =>
  ({ startedAt, elapsed, status }) as RoundState
const on: Axis = { x: at => at, span: 100, waits: [], ticks: [] }

test('stretches stand in the first lane that is free; one that begins as another ends follows it', () => {
  const stretch = (from: number, until: number) => ({ from, until })
  expect(lanes([stretch(0, 5), stretch(2, 3), stretch(3, 4), stretch(5, 9), stretch(5, 6)])).toEqual([0, 1, 1, 0, 1])
  expect(lanes([stretch(0, 5), stretch(4, 6)], 1)).toEqual([0, 0])
  expect(lanes([stretch(0, 5), stretch(3.9, 6)], 1)).toEqual([0, 1])
})

test('a round is a bar from its start to its end, or to now while it runs; one that waits is none', () => {
  const { bars, lanes: all } = roundBars([round(10, 5), round(undefined), round(12, undefined, 'running')], on, 40)
  expect(bars).toEqual([
    { lane: 0, left: 10, right: 15, status: 'succeeded' },
    { lane: 1, left: 12, right: 40, status: 'running' },
  ])
  expect(all).toBe(2)
  expect(roundBars([round(10)], on, 5).bars).toEqual([{ lane: 0, left: 10, right: 10, status: 'succeeded' }])
})

test('of very many rounds, neighbours of one lane and status are one bar', () => {
  const many = Array.from({ length: 301 }, (_, at) => round(at / 10, 0.1, at === 200 ? 'failed' : 'succeeded'))
  expect(roundBars(many, on, 40).bars.map(bar => bar.status)).toEqual(['succeeded', 'failed', 'succeeded'])
  expect(roundBars(many.slice(0, 300), on, 40).bars).toHaveLength(300)
})

test('figures of rounds: how many ended, failed and ran at once, and what they took', () => {
  const list = [...Array(18).keys()].map(at => round(at, 1))
  const container = { roundList: [...list, round(18, 9, 'failed'), round(18.5, 2), round(19)] } as unknown as Execution
  expect(roundFigures(container)).toEqual({ done: 20, failed: 1, sideBySide: 3, p50: 1, p95: 9, slowest: 9 })
  expect(roundFigures({} as Execution)).toEqual({ done: 0, failed: 0, sideBySide: 0 })
})
