import { expect, test, vi } from 'vitest'
import { ApiError } from './client.ts'
import { backOff, listen } from './stream.ts'

const stream = (...parts: string[]): Response => {
  const encoder = new TextEncoder()
  return new Response(
    new ReadableStream({
      start: out => {
        for (const part of parts) out.enqueue(encoder.encode(part))
        out.close()
      },
    }),
  )
}

test('the wait doubles up to ten seconds', () => {
  expect([0, 1, 2, 3, 4, 5, 20].map(backOff)).toEqual([0.5, 1, 2, 4, 8, 10, 10])
})

test('messages come whole however the bytes are cut, and a new connection goes on behind the last one', async () => {
  vi.useFakeTimers()
  const asked: (string | null)[] = []
  const over = new AbortController()
  const answers = [
    stream('id: 4\nda', 'ta: {"id":4}\n', '\nevent: hello\ndata: {"now":1}\n\n'),
    stream('data: {"id":5}\n\n'),
  ]
  vi.stubGlobal('fetch', async (_: string, options: RequestInit) => {
    asked.push(new Headers(options.headers).get('Last-Event-ID'))
    return (
      answers.shift() ??
      new Promise((_, refuse) => options.signal?.addEventListener('abort', () => refuse(new Error('aborted'))))
    )
  })
  const heard: [string, unknown][] = []
  const connected: boolean[] = []
  let last: string | undefined
  const end = listen(
    'runs/1/stream',
    {},
    {
      message: (name, data) => {
        heard.push([name, data])
        if (typeof data === 'object' && data && 'id' in data) last = String(data.id)
      },
      connected: is => connected.push(is),
      after: () => last,
    },
    over.signal,
  )
  await vi.advanceTimersByTimeAsync(600)
  await vi.advanceTimersByTimeAsync(600)
  expect(heard).toEqual([
    ['message', { id: 4 }],
    ['hello', { now: 1 }],
    ['message', { id: 5 }],
  ])
  expect(asked.slice(0, 3)).toEqual([null, '4', '5'])
  expect(connected.slice(0, 3)).toEqual([true, false, true])
  over.abort()
  await vi.advanceTimersByTimeAsync(1)
  await end
})

test.each([408, 429, 503])('a stream that is refused with %i for now is asked for again', async status => {
  vi.useFakeTimers()
  const over = new AbortController()
  const refusal = Response.json({ code: 'too_many_requests', message: 'Later', status }, { status })
  const answers = [refusal, stream('data: {"id":0}\n\n')]
  vi.stubGlobal('fetch', async () => answers.shift() ?? new Promise(() => undefined))
  const heard: unknown[] = []
  const message = (_: string, data: unknown) => {
    heard.push(data)
    over.abort()
  }
  const end = listen('runs/1/stream', {}, { message }, over.signal)
  await vi.advanceTimersByTimeAsync(600)
  await end
  expect(heard).toEqual([{ id: 0 }])
})

test('what another attempt would not mend is raised, in the server’s words', async () => {
  vi.stubGlobal('fetch', async () =>
    Response.json({ code: 'not_found', message: 'No such run', status: 404 }, { status: 404 }),
  )
  const failed = listen('runs/1/stream', {}, { message: () => undefined }, new AbortController().signal)
  await expect(failed).rejects.toEqual(new ApiError(404, 'not_found', 'No such run'))
})
