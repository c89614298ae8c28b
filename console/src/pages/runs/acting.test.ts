import { expect, test } from 'vitest'
import { ApiError } from '../../api/client.ts'
import { fitting, toEach } from './acting.ts'

const never = new AbortController().signal
const soon = () => Promise.resolve()

test('each is done once, four at a time, and failures are told with what they were', async () => {
  let under = 0
  let most = 0
  const failures: unknown[] = []
  const done: number[] = []
  await toEach(
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
    async n => {
      most = Math.max(most, ++under)
      await soon()
      under--
      if (n === 5) throw new Error('語')
    },
    (n, failed) => {
      done.push(n)
      if (failed) failures.push(failed[0])
    },
    never,
  )
  expect(most).toBe(4)
  expect(done).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(failures).toEqual([5])
})

test('once it is stopped no other begins', async () => {
  const stop = new AbortController()
  const begun: number[] = []
  await toEach(
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
    async n => {
      begun.push(n)
      await soon()
      if (n === 2) stop.abort()
    },
    () => undefined,
    stop.signal,
  )
  expect(begun.length).toBeLessThan(9)
})

test('a server that has too much to do is asked again, one that refuses is not', async () => {
  const asked: string[] = []
  const failed: unknown[] = []
  await toEach(
    ['busy', 'refused'],
    async what => {
      asked.push(what)
      if (what === 'refused') throw new ApiError(409, 'conflict', '')
      if (asked.filter(one => one === 'busy').length < 3) throw new ApiError(429, 'too_many_requests', '')
    },
    (_, wrong) => wrong && failed.push(wrong[0]),
    never,
    soon,
  )
  expect(asked.sort()).toEqual(['busy', 'busy', 'busy', 'refused'])
  expect(failed).toEqual(['refused'])
})

test('a deed is done only to runs that it is for', () => {
  const runs = (['failed', 'running', 'paused', 'succeeded'] as const).map(status => ({ status }))
  const told = (deed: Parameters<typeof fitting>[0]) => fitting(deed, runs).map(run => run.status)
  expect(told('retry')).toEqual(['failed'])
  expect(told('stop')).toEqual(['running', 'paused'])
  expect(told('delete')).toEqual(['failed', 'succeeded'])
})
