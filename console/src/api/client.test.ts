import { expect, test, vi } from 'vitest'
import { ApiError, get, onSignedOut, post, remove } from './client.ts'

test('who is no longer signed in is told by any answer but that of the session itself, until nobody asks', async () => {
  const told: string[] = []
  const end = onSignedOut(() => told.push('signed out'))
  const answered = async (status: number, path: string): Promise<number> => {
    vi.stubGlobal('fetch', async () => Response.json({ code: 'unauthorized', message: '再ログイン' }, { status }))
    const error = await get(path).catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(ApiError)
    return told.length
  }
  expect([await answered(403, 'runs'), await answered(401, 'session'), await answered(401, 'runs')]).toEqual([0, 0, 1])
  end()
  expect(await answered(401, 'runs')).toBe(1)
})

test('what changes something says that the page asks', async () => {
  const asked: unknown[] = []
  vi.stubGlobal('fetch', async (_: string, { method, headers }: { method: string; headers: Headers }) => {
    asked.push([method, headers.get('X-Jikko-Console')])
    return new Response(null, { status: 204 })
  })
  await get('runs')
  await post('runs')
  await remove('runs/r')
  expect(asked).toEqual([
    ['GET', null],
    ['POST', '1'],
    ['DELETE', '1'],
  ])
})
