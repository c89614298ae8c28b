import { expect, test } from 'vitest'
import { agentEntries } from './agent.ts'
import { axis } from './axis.ts'
import type { RunEvent } from './events.ts'
import { cause, exceptions, otherFailures } from './failures.ts'
import { advance, begin } from './fold.ts'
import { readLog } from './logs.ts'
import { lanes, roundBars, roundFigures } from './rounds.ts'
import { above, roundId, rows } from './rows.ts'
import { density } from './selectors.ts'
import { skipped } from './skipped.ts'

const human = readLog('human')
const retry = readLog('retry')
const done = advance(begin(), human)

const node = (id: number, node_id: string, what: object = {}): RunEvent =>
  ({
    id,
    at: id,
    event: 'node_started',
    execution_id: `x-${node_id}`,
    node_id,
    node_type: 'code',
    title: node_id,
    index: id,
    ...what,
  }) as RunEvent
const ended = (id: number, node_id: string, what: object = {}): RunEvent =>
  ({
    ...node(id, node_id),
    event: 'node_finished',
    started_at: id - 1,
    elapsed: 1,
    status: 'succeeded',
    ...what,
  }) as unknown as RunEvent
const started = { id: 0, at: 0, event: 'run_started', inputs: {}, system: {} } as RunEvent
const finished = (id: number, status: string): RunEvent =>
  ({ id, at: id, event: 'run_finished', status, elapsed: id }) as unknown as RunEvent

test('a node is skipped when its source left by another way, and so is all that is behind it', () => {
  const edges = [
    { source: 'a', handle: 'true', target: 'b' },
    { source: 'a', handle: 'false', target: 'c' },
    { source: 'c', handle: 'source', target: 'd' },
    { source: 'd', handle: 'source', target: 'e' },
    { source: 'b', handle: 'source', target: 'e' },
  ]
  const run = advance(begin(), [started, node(1, 'a'), ended(2, 'a', { handle: 'true' }), node(3, 'b')])
  expect([...skipped(edges, run)].sort()).toEqual(['c', 'd'])
})

test('when a run has failed, what is behind the failure is skipped', () => {
  const edges = [{ source: 'a', handle: 'source', target: 'b' }]
  const going = advance(begin(), [started, node(1, 'a')])
  expect(skipped(edges, going).size).toBe(0)
  const run = advance(going, [ended(2, 'a', { status: 'failed', error: 'no' }), finished(3, 'failed')])
  expect([...skipped(edges, run)]).toEqual(['b'])
})

test('the cause is the failed node of the top level, not an earlier failure that was handled', () => {
  const run = advance(begin(), [
    started,
    node(1, 'a'),
    ended(2, 'a', { status: 'exception', error: 'handled' }),
    node(3, 'b'),
    ended(4, 'b', { status: 'failed', error: 'no' }),
    finished(5, 'failed'),
  ])
  expect(cause(run)).toMatchObject({ nodeId: 'b', error: 'no' })
  expect(exceptions(run)).toEqual({ tries: 0, handled: 1, rounds: 0, all: 0 })
  expect(cause(done)).toBeUndefined()
})

test('of a failed container the cause is the first failure within', () => {
  const box = { node_type: 'iteration' }
  const rounds = [['x-each', 'each', 'iteration', 0]]
  const run = advance(begin(), [
    started,
    node(1, 'each', box),
    { ...node(2, 'each', box), event: 'container_started', length: 1 } as unknown as RunEvent,
    { ...node(3, 'each', box), event: 'round_started', round: 0 } as unknown as RunEvent,
    node(4, 'in', { rounds }),
    ended(5, 'in', { rounds, status: 'failed', error: 'inner' }),
    ended(6, 'each', { status: 'failed', error: 'outer' }),
    finished(7, 'failed'),
  ])
  expect(cause(run)).toMatchObject({ error: 'inner' })
  expect(above(cause(run)!)).toEqual(['x-each', 'x-each:0'])
})

test('only what failed cuts some hundred rows to a few, with all that is above them', () => {
  const box = done.executions.find(execution => execution.roundList)!
  const all = rows(done, new Set([box.id]), false)
  expect(all.length).toBeGreaterThan(100)
  const failed = rows(done, new Set(), true)
  expect(failed.length).toBeLessThan(6)
  expect(failed.map(row => row.id)).toContain(roundId(box.id, 37))
})

test('rounds that wait for their turn are one row', () => {
  const run = advance(begin(), human, 115)
  const box = run.executions.find(execution => execution.roundList)!
  const list = rows(run, new Set([box.id]), false)
  expect(list.filter(row => row.kind === 'round')).toHaveLength(4)
  expect(list.at(-1)).toMatchObject({ kind: 'queued', count: 96 })
})

test('the axis folds waits away, keeps order and ends at the end', () => {
  const on = axis(done, done.at)
  expect(on.waits).toHaveLength(1)
  expect(on.x(done.startedAt)).toBe(0)
  expect(on.x(done.at)).toBeCloseTo(100)
  const wait = on.waits[0]!
  expect(on.x(wait.until) - on.x(wait.from)).toBeLessThan(4)
  const places = human
    .map(event => event.at)
    .sort((a, b) => a - b)
    .map(on.x)
  expect(places).toEqual([...places].sort((a, b) => a - b))
})

test('the axis of a repeated run starts behind what was taken over', () => {
  const run = advance(begin(), retry)
  expect(run.startedAt).toBe(retry.find(event => event.event === 'run_retried')!.at)
  expect(axis(run, run.at).x(run.at)).toBeCloseTo(100)
})

test('waits of the run that is repeated do not bend the axis', () => {
  const run = advance(begin(), [
    started,
    { id: 1, at: 1, event: 'run_paused', elapsed: 1 } as unknown as RunEvent,
    { id: 2, at: 900, event: 'run_resumed' } as RunEvent,
    { id: 3, at: 1000, event: 'run_retried', run_id: 'earlier' } as RunEvent,
    node(4, 'a', { at: 1002 }),
    { ...finished(5, 'succeeded'), at: 1010 },
  ])
  const on = axis(run, run.at)
  expect(on).toMatchObject({ span: 10, waits: [] })
  expect([1000, 1005, 1010].map(on.x)).toEqual([0, 50, 100])
})

test('lanes: as many as ran side by side', () => {
  expect(
    lanes([
      { from: 0, until: 2 },
      { from: 1, until: 3 },
      { from: 2, until: 4 },
      { from: 3.5, until: 5 },
    ]),
  ).toEqual([0, 1, 0, 1])
  const box = done.executions.find(execution => execution.roundList)!
  expect(roundFigures(box)).toMatchObject({ done: 100, failed: 1 })
  const drawn = roundBars(box.roundList!, axis(done, done.at), done.at)
  expect(drawn.bars).toHaveLength(100)
  expect(drawn.lanes).toBe(roundFigures(box).sideBySide)
})

test('many rounds are drawn as few bars, and a failed one is still seen', () => {
  const list = Array.from({ length: 20_000 }, (_, index) => ({
    status: index === 999 ? ('failed' as const) : ('succeeded' as const),
    startedAt: index,
    elapsed: 1,
  }))
  const run = { ...begin(), startedAt: 0, at: 20_000, status: 'succeeded' as const }
  const drawn = roundBars(list, axis(run, 0), 0)
  expect(drawn.bars.length).toBeLessThan(10)
  expect(drawn.bars.filter(bar => bar.status === 'failed')).toHaveLength(1)
})

test('the columns of the scrubber tell failures, forms and time', () => {
  const columns = density(human, 50)
  expect(columns).toHaveLength(50)
  expect(columns.some(column => column.kind === 'failed')).toBe(true)
  expect(columns.some(column => column.kind === 'paused')).toBe(true)
  expect(density([], 50)).toEqual([])
})

test('besides its cause a failed run tells what ended with it, and what was handled', () => {
  const box = { node_type: 'iteration', length: 2 }
  const within = { rounds: [['x-box', 'box', 'iteration', 1]] }
  const log = (end: string) => [
    started,
    node(1, 'box', box),
    { ...node(2, 'box', box), event: 'container_started' } as unknown as RunEvent,
    node(3, 'inner', within),
    ended(4, 'inner', { ...within, status: 'failed', error: 'no score' }),
    ended(5, 'box', { node_type: 'iteration', status: end }),
    node(6, 'soft'),
    ended(7, 'soft', { status: 'exception', error: 'gone' }),
    node(8, 'hard'),
    ended(9, 'hard', { status: 'failed', error: 'bad' }),
    finished(10, 'failed'),
  ]
  const went = advance(begin(), log('succeeded'))
  expect(cause(went)?.nodeId).toBe('hard')
  expect(otherFailures(went, cause(went))).toEqual({ failed: 0, handled: 2 })
  const ended_with = advance(begin(), log('failed'))
  expect(cause(ended_with)?.nodeId).toBe('inner')
  expect(otherFailures(ended_with, cause(ended_with))).toEqual({ failed: 1, handled: 1 })
})

test('what an agent told is a tree, as it was at a position', () => {
  const told = (id: number, entry_id: string, what: object): RunEvent =>
    ({
      id,
      at: id,
      event: 'agent_logged',
      execution_id: 'x',
      node_id: 'a',
      entry_id,
      label: entry_id,
      ...what,
    }) as RunEvent
  const log = [
    told(0, 'round', { status: 'start' }),
    told(1, 'call', { status: 'start', parent_id: 'round' }),
    told(2, 'call', { parent_id: 'round', data: { output: 1 } }),
    told(3, 'round', { data: {} }),
    { ...told(4, 'other', {}), execution_id: 'y' } as RunEvent,
  ]
  const [round] = agentEntries(log, 'x', 4)
  expect([round?.took, round?.inner[0]?.took, round?.inner.length]).toEqual([3, 1, 1])
  const [before] = agentEntries(log, 'x', 1)
  expect([before?.took, before?.inner[0]?.event.status]).toEqual([undefined, 'start'])
  expect(agentEntries(log, 'z', 4)).toEqual([])
})
