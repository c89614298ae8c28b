import { expect, test } from 'vitest'
import type { RunEvent } from './events.ts'
import { advance, begin, find } from './fold.ts'
import { RunLog } from './log.ts'
import { readLog as log } from './logs.ts'
import type { RunState } from './state.ts'

const human = log('human')
const whole = (events: RunEvent[]): RunState => advance(begin(), events)
/** Without what states of one log share. */
const shown = (run: RunState) => ({ ...run, ordinals: null })
const node = (run: RunState, id: string) => run.executions[run.nodes.get(id)!.last]!

test('the end of a run is what its record says', () => {
  const run = whole(human)
  expect(run).toMatchObject({ status: 'partial-succeeded', tokens: 13825, position: 653, forms: [] })
  expect(run.nodes.get('score')).toMatchObject({ running: 0, done: 100, failed: 1 })
})

test('however the log arrives, the state is the same, and earlier states are left as they were', () => {
  for (const size of [1, 7, 100, 613]) {
    let run = begin()
    for (let at = 0; at < human.length; at += size) {
      const before = run
      const copy = structuredClone(shown(before))
      run = advance(run, human.slice(at, at + size))
      expect(shown(before)).toEqual(copy)
    }
    expect(shown(run)).toEqual(shown(whole(human)))
  }
})

test('a position that is asked for is the state that watching gave then', () => {
  const replayed = new RunLog(50)
  replayed.add(human)
  const asked = [653, 0, 112, 113, 49, 50, 51, 300, 615, 614, 99, 100]
  for (const position of asked) expect(shown(replayed.at(position))).toEqual(shown(advance(begin(), human, position)))
})

test('a repeated tail counts once, and behind a gap nothing is taken', () => {
  const live = new RunLog()
  expect(live.add(human.slice(0, 20))).toBe(true)
  live.add(human.slice(15, 30))
  expect(live.add(human.slice(31, 40))).toBe(false)
  expect(live.head).toBe(29)
  expect(shown(live.at())).toEqual(shown(whole(human.slice(0, 30))))
})

test('rounds that were announced wait until their first node starts', () => {
  const run = advance(begin(), human, 115)
  const states = node(run, 'each').roundList!.map(round => round.status)
  expect(states.length).toBe(100)
  expect(states.filter(status => status === 'running').length).toBe(4)
  expect(node(whole(human), 'each')).toMatchObject({ roundsDone: 100, length: 100 })
  expect(node(whole(human), 'each').roundList!.findIndex(round => round.status === 'failed')).toBe(37)
})

test('attempts are counted; a form that was filled in is none', () => {
  const run = whole(human)
  expect(node(run, 'policy').attempts.map(attempt => attempt.errorType)).toEqual([
    'InvokeRateLimitError',
    'InvokeRateLimitError',
  ])
  expect(node(run, 'ask')).toMatchObject({ status: 'succeeded', attempts: [], handle: 'approve' })
  const paused = advance(begin(), human, 614)
  expect(paused).toMatchObject({ status: 'paused' })
  expect(paused.forms).toHaveLength(1)
})

test('a node that was under way when its process died runs again', () => {
  const [start, first] = human as [RunEvent, RunEvent & { execution_id: string }]
  const recovered: RunEvent = { id: 2, at: 9, event: 'run_recovered', epoch: 2, in_flight: [first.execution_id] }
  const run = whole([start, first, recovered])
  expect(find(run, first.execution_id)).toMatchObject({ status: 'waiting' })
  const again = advance(run, [{ ...first, id: 3 } as RunEvent])
  expect(find(again, first.execution_id)).toMatchObject({ status: 'running', attempts: [{ reason: 'interrupted' }] })
  expect(again.nodes.get('start')).toMatchObject({ running: 1, done: 0 })
})

test('a node whose form was closed was not interrupted when the process died before it went on', () => {
  const [start, first] = human as [RunEvent, RunEvent & { execution_id: string }]
  const about = { execution_id: first.execution_id, node_id: 'start', title: 'Ask' }
  const run = whole([
    start,
    first,
    { id: 2, at: 5, event: 'form_requested', ...about, form: {} },
    { id: 3, at: 6, event: 'form_closed', ...about },
    { id: 4, at: 9, event: 'run_recovered', epoch: 2, in_flight: [first.execution_id] },
    { ...first, id: 5 },
  ] as RunEvent[])
  expect(find(run, first.execution_id)).toMatchObject({ status: 'running', attempts: [] })
})

test('what a retry took over is marked; its tokens count, as in the record', () => {
  const run = whole(log('retry'))
  expect(run.executions.filter(execution => execution.takenOver).length).toBe(13)
  expect(node(run, 'policy')).toMatchObject({ takenOver: false, status: 'failed' })
  expect(run.tokens).toBe(915)
})

test('what a container used is told with it, and counts once: with the nodes of its rounds', () => {
  const { id } = whole(human).executions.find(one => one.roundList)!
  const used = human.map(event =>
    event.event === 'node_finished' && event.execution_id === id ? { ...event, usage: { total_tokens: 7 } } : event,
  ) as RunEvent[]
  // Its end tells what the run used in all.
  const [told, without] = [used, human].map(events => whole(events.slice(0, -1)))
  expect(find(told!, id)?.tokens).toBe(7)
  expect(told!.tokens).toBe(without!.tokens)
})

test('forms of a run that was stopped disappear', () => {
  const paused = advance(begin(), human, 614)
  const stopped = { id: 615, at: 1e12, event: 'run_finished', status: 'stopped', elapsed: 1 } as RunEvent
  expect(advance(paused, [stopped])).toMatchObject({ status: 'stopped', forms: [] })
})
