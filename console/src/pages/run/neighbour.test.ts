// @vitest-environment happy-dom

import { afterEach, expect, test, vi } from 'vitest'
import type { Run } from '../../api/types.ts'
import { neighbour } from './neighbour.ts'

const NOW = 1_000_000

afterEach(() => history.replaceState(null, '', '/'))

const run = (id: string, created_at: number) => ({ id, created_at }) as Run

/** A server with these runs, the newest first, which answers as the real one does: in pages, `before` and `after` included. */
function serve(runs: readonly Run[]): void {
  vi.stubGlobal('fetch', async (asked: string) => {
    const query = new URL(asked, 'http://server').searchParams
    const number = (name: string, otherwise: number) => Number(query.get(name) ?? otherwise)
    const found = runs.filter(
      one =>
        one.created_at <= number('before', Number.POSITIVE_INFINITY) &&
        one.created_at >= number('after', 0) &&
        one.id.startsWith(query.get('keyword') ?? ''),
    )
    const from = number('cursor', 0)
    const until = from + number('limit', 20)
    return Response.json({ data: found.slice(from, until), next: until < found.length ? String(until) : null })
  })
}

const inList = (query: string) => history.replaceState(null, '', `/runs/x?t=all${query}`)

test('the runs beside one are those next to it in time, and none at the ends', async () => {
  const [oldest, middle, newest] = [run('a', NOW - 900_000), run('b', NOW - 500), run('c', NOW - 10)]
  serve([newest, middle, oldest])
  inList('')
  expect([await neighbour(middle, 'newer'), await neighbour(middle, 'older')]).toEqual(['c', 'a'])
  expect([await neighbour(newest, 'newer'), await neighbour(newest, 'older')]).toEqual([undefined, 'b'])
  expect([await neighbour(oldest, 'newer'), await neighbour(oldest, 'older')]).toEqual(['b', undefined])
})

test('of many runs of one second the one beside it is found, behind the first page too', async () => {
  const many = Array.from({ length: 450 }, (_, at) => run(`r${at}`, NOW - at / 1000))
  serve(many)
  inList('')
  expect(await neighbour(many[449]!, 'newer')).toBe('r448')
  expect(await neighbour(many[449]!, 'older')).toBeUndefined()
  expect(await neighbour(many[0]!, 'newer')).toBeUndefined()
})

test('runs of the same moment keep the order of the list', async () => {
  const runs = ['c', 'b', 'a'].map(id => run(id, NOW))
  serve(runs)
  inList('')
  expect([await neighbour(runs[1]!, 'newer'), await neighbour(runs[1]!, 'older')]).toEqual(['c', 'a'])
})

test('only runs of the list that the address filters count, though this one may have left it', async () => {
  const runs = [run('b2', NOW - 1), run('a2', NOW - 2), run('b1', NOW - 3), run('a1', NOW - 4), run('b0', NOW - 5)]
  serve(runs)
  inList('&q=b')
  expect([await neighbour(runs[2]!, 'newer'), await neighbour(runs[2]!, 'older')]).toEqual(['b2', 'b0'])
  expect([await neighbour(runs[3]!, 'newer'), await neighbour(runs[3]!, 'older')]).toEqual(['b1', 'b0'])
  inList('&q=a')
  expect(await neighbour(runs[0]!, 'newer')).toBeUndefined()
  inList(`&from=${NOW - 3}&until=${NOW - 2}`)
  expect([await neighbour(runs[1]!, 'newer'), await neighbour(runs[1]!, 'older')]).toEqual([undefined, 'b1'])
  expect(await neighbour(runs[2]!, 'older')).toBeUndefined()
})
