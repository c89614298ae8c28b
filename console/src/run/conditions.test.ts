import { expect, test } from 'vitest'
import { casesOf, readBy } from './conditions.ts'
import type { RunEvent } from './events.ts'
import { variablesAt } from './variables.ts'

const event = (id: number, what: object): RunEvent => ({ id, at: id, ...what }) as RunEvent
const finished = (id: number, node_id: string, outputs: object, what: object = {}): RunEvent =>
  event(id, { event: 'node_finished', status: 'succeeded', node_id, execution_id: `x${id}`, outputs, ...what })
const read = (events: RunEvent[], selector: string, startedIn = 99, rounds: unknown[] = []) =>
  variablesAt(events, { startedIn, rounds } as Parameters<typeof variablesAt>[1], [selector.split('.')])(
    selector.split('.'),
  )

test('a variable is what it was last when the step began', () => {
  const events = [
    event(0, {
      event: 'run_started',
      inputs: {},
      system: { query: 'hi', files: null },
      turn: { variables: { seen: 1 } },
    }),
    finished(1, 'a', {
      text: 'one',
      of: { deep: [2] },
      file: { dify_model_identity: '__dify__file__', filename: 'f' },
    }),
    finished(2, 'a', { text: 'two' }, { updates: [[['conversation', 'seen'], 2]] }),
    finished(3, 'a', { text: 'three' }, { status: 'failed' }),
    finished(4, 'a', { text: 'four' }),
  ]
  expect(read(events, 'a.text', 4)?.value).toBe('two')
  expect(read(events, 'a.text', 2)?.value).toBe('one')
  expect(read(events, 'a.text', 1)).toBeUndefined()
  expect(read(events, 'a.of.deep')?.value).toEqual([2])
  expect(read(events, 'a.of.other')).toBeUndefined()
  expect(read(events, 'a.file.name')?.value).toBe('f')
  expect(read(events, 'a.file.size')?.value).toBeNull()
  expect(read(events, 'sys.query')?.value).toBe('hi')
  expect(read(events, 'sys.files')).toBeUndefined()
  expect(read(events, 'env.KEY')).toBeUndefined()
  expect(read(events, 'conversation.seen', 2)?.value).toBe(1)
  expect(read(events, 'conversation.seen', 3)?.value).toBe(2)
})

test('a round of an iteration sees its own values and those around it, and a loop forgets those of its last round', () => {
  const round = (container: string, node: string, kind: string, index: number) => [container, node, kind, index]
  const first = round('e', 'each', 'iteration', 0)
  const second = round('e', 'each', 'iteration', 1)
  const again = (index: number) => round('l', 'loop', 'loop', index)
  const started = (id: number, execution_id: string, node_id: string, node_type: string, index: number, more = {}) =>
    event(id, { event: 'round_started', execution_id, node_id, node_type, round: index, ...more })
  const events = [
    finished(0, 'a', { text: 'outside' }),
    started(1, 'e', 'each', 'iteration', 0, { variables: { item: 'x' } }),
    started(2, 'e', 'each', 'iteration', 1, { variables: { item: 'y' } }),
    finished(3, 'in', { text: 'first' }, { rounds: [first] }),
    finished(4, 'in', { text: 'second' }, { rounds: [second], updates: [[['conversation', 'who'], 'second']] }),
    event(5, { event: 'container_started', execution_id: 'l', node_id: 'loop', variables: { n: 0 } }),
    started(6, 'l', 'loop', 'loop', 0),
    finished(7, 'body', { text: 'of 0' }, { rounds: [again(0)], updates: [[['loop', 'n'], 1]] }),
    started(8, 'l', 'loop', 'loop', 1),
    finished(9, 'body', { text: 'of 1' }, { rounds: [again(1)] }),
  ]
  expect(read(events, 'each.item', 99, [first])?.value).toBe('x')
  expect(read(events, 'each.item', 99, [second])?.value).toBe('y')
  expect(read(events, 'each.item')).toBeUndefined()
  expect(read(events, 'in.text', 99, [second])?.value).toBe('second')
  expect(read(events, 'in.text', 99, [first])?.value).toBe('first')
  expect(read(events, 'in.text')).toBeUndefined()
  expect(read(events, 'a.text', 99, [second])?.value).toBe('outside')
  expect(read(events, 'conversation.who', 99, [first])?.value).toBe('second')
  expect(read(events, 'loop.n', 7)?.value).toBe(0)
  expect(read(events, 'loop.n', 9, [again(1)])?.value).toBe(1)
  expect(read(events, 'body.text', 8, [again(0)])?.value).toBe('of 0')
  expect(read(events, 'body.text', 9, [again(1)])).toBeUndefined()
  expect(read(events, 'body.text')?.value).toBe('of 1')
})

test('a value that the page of the log lacks is told to be cut, and so is one that may have been changed', () => {
  const events = [
    event(0, { event: 'run_started', inputs: {}, system: {}, turn: { variables: { seen: 1 } } }),
    finished(1, 'a', { text: 'beg', short: 1 }, { cut: [{ path: '/outputs/text', bytes: 5000 }] }),
    finished(2, 'b', {}, { updates: null, cut: [{ path: '/updates', bytes: 9000 }] }),
  ]
  expect(read(events, 'a.text')?.cut).toEqual({ path: '/outputs/text', bytes: 5000 })
  expect(read(events, 'a.short')?.cut).toBeUndefined()
  expect(read(events, 'conversation.seen', 2)?.cut).toBeUndefined()
  expect(read(events, 'conversation.seen')?.told.id).toBe(2)
})

const condition = (name: string, operator: string, value: unknown = '1') => ({
  variable_selector: ['a', name],
  comparison_operator: operator,
  value,
})
const RAW = [
  {
    case_id: '1',
    logical_operator: 'or',
    conditions: [condition('x', '='), condition('y', 'exists'), condition('z', '>')],
  },
  { case_id: 2, conditions: [condition('w', 'is', 'no {{#b.c.d#}} {{#sys.query#}} {{#b#}} {{#a.w#}}')] },
  'odd',
]

test('cases that were looked at say what they came to, the last one with what it compared', () => {
  const judged = [
    { results: [false, false, false], final_result: false },
    { results: [true], final_result: true },
  ]
  const compared = [{ comparison_operator: 'is', actual_value: '***', expected_value: 'no' }]
  const cases = casesOf(RAW, { status: 'succeeded', handle: '2' }, judged, compared)
  expect(cases.map(one => [one.id, one.any, one.outcome])).toEqual([
    ['1', true, 'not'],
    ['2', false, 'chosen'],
    ['', false, 'unseen'],
  ])
  expect(cases[1]?.conditions[0]).toMatchObject({ held: true, actual: '***' })
  expect(cases[0]?.conditions[0]).not.toHaveProperty('actual')
  expect(readBy(cases[1]!.conditions[0]!)).toEqual([
    ['a', 'w'],
    ['b', 'c', 'd'],
    ['sys', 'query'],
  ])
  expect(
    casesOf(undefined, { status: 'succeeded', handle: 'false' }, [{ group: RAW[0], results: [] }], []),
  ).toHaveLength(1)
})

test('literals that the graph lacks are those of the record, of the cases that were looked at', () => {
  const bare = RAW.map(one =>
    typeof one === 'string' ? one : { ...one, conditions: one.conditions.map(({ value: _, ...rest }) => rest) },
  )
  const cases = casesOf(bare, { status: 'succeeded', handle: '1' }, [{ group: RAW[0], results: [true] }], [])
  expect(cases.slice(0, 2).map(one => one.conditions[0]?.value)).toEqual(['1', null])
})

test('what needs no comparison has none, and a comparison of another kind is left alone', () => {
  const judged = [{ results: [false, false, true], final_result: true }]
  const of = (operator: string) => ({ comparison_operator: operator, actual_value: 7 })
  const told = (...operators: string[]) =>
    casesOf(RAW, { status: 'succeeded', handle: '1' }, judged, operators.map(of))[0]?.conditions.map(one => one.actual)
  expect(told('=', '>')).toEqual([7, undefined, 7])
  expect(told('=', '<')).toEqual([undefined, undefined, undefined])
})

test('a step that failed says at which case, and one that was mocked which way it went', () => {
  const outcomes = (...[execution, judged]: [{ status: 'failed' | 'succeeded'; handle: string }, object[]?]) =>
    casesOf(RAW, execution, judged as never, []).map(one => one.outcome)
  expect(outcomes({ status: 'failed', handle: '1' }, [{ results: [false], final_result: false }])).toEqual([
    'not',
    'broke',
    'unseen',
  ])
  expect(outcomes({ status: 'failed', handle: '1' })).toEqual(['unseen', 'unseen', 'unseen'])
  expect(outcomes({ status: 'succeeded', handle: '2' })).toEqual(['unseen', 'chosen', 'unseen'])
})
