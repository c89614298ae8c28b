import { expect, test } from 'vitest'
import { parsed } from '../../api/json.ts'
import type { RetryChoice } from '../../api/types.ts'
import { given, mockOf, readValues } from './givenValues.ts'

const choice = {
  version: 1,
  is_current: true,
  taken_over: [],
  from_nodes: [],
  why_not: null,
  reads: { look: { output: 'about 📖', found: [1] }, sys: { query: 'なぜ' } },
} as unknown as RetryChoice

test('texts are edited as they are, anything else as JSON, and only what was changed is given', () => {
  const values = readValues(choice)

  expect(values.map(one => [one.owner, one.name, one.text])).toEqual([
    ['look', 'output', 'about 📖'],
    ['look', 'found', '[\n  1\n]'],
    ['sys', 'query', 'なぜ'],
  ])
  expect(given(values, {}, {})).toEqual({ values: {}, mocks: {} })
  const edits = { 'look.output': '"x"', 'look.found': '[2]', 'sys.query': 'なぜ' }
  expect(given(values, edits, {})).toEqual({ values: { look: { output: '"x"', found: [2] } }, mocks: {} })
})

test('lines end as they were recorded, and text that was typed back is not given', () => {
  const values = readValues({ ...choice, reads: { look: { a: '青\r\n🎉\r\n', b: 'x\ry', c: 'one' } } } as never)

  expect(given(values, { 'look.a': '青\n🎉\n', 'look.b': 'x\ny' }, {}).values).toEqual({})
  expect(given(values, { 'look.a': 'b\n\ue000\n', 'look.b': 'y\nx', 'look.c': 'o\nne' }, {}).values).toEqual({
    look: { a: 'b\r\n\ue000\r\n', b: 'y\rx', c: 'o\nne' },
  })
})

test('what is not JSON is said with its name', () => {
  expect(() => given(readValues(choice), { 'look.found': '[' }, {})).toThrow(/^look\.found: /)
  expect(() => given([], {}, { judge: '{' })).toThrow(/^judge: /)
})

test('a mock begins with what the step gave, or with a way out of a branch', () => {
  expect(
    parsed(mockOf({ id: 'a', title: 'A', outputs: { text: '良い' } as never, handles: [], can_fake: false })),
  ).toEqual({
    text: '良い',
  })
  expect(parsed(mockOf({ id: 'a', title: 'A', outputs: null, handles: ['true', 'false'], can_fake: false }))).toEqual({
    selected_case_id: 'true',
  })
  expect(mockOf({ id: 'a', title: 'A', outputs: null, handles: [], can_fake: false })).toBe('{}')
})
