// A stream of the server's events, connected again whenever it ends before its time.
import { createParser } from 'eventsource-parser'
import { ApiError, request } from './client.ts'
import { parsed } from './json.ts'

export type Listener = {
  /** One message: the name of its event, and its data as JSON. */
  readonly message: (name: string, data: unknown) => void
  readonly connected?: (is: boolean) => void
  /** The id that the server goes on behind. */
  readonly after?: () => string | undefined
}

/** Seconds until the next attempt: 0.5, then twice as much each time, 10 at most. */
export const backOff = (attempt: number): number => Math.min(10, 0.5 * 2 ** attempt)

/** Listens until `signal` says so. Raises `ApiError` for what another attempt would not mend (4xx but 408 and 429). */
export async function listen(
  path: string,
  query: Record<string, string>,
  listener: Listener,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const last = listener.after?.()
      const headers: HeadersInit = {
        Accept: 'text/event-stream',
        ...(last === undefined ? {} : { 'Last-Event-ID': last }),
      }
      const answer = await request('GET', path, { query, headers, signal })
      listener.connected?.(true)
      const parser = createParser({
        onEvent: event => listener.message(event.event ?? 'message', parsed(event.data)),
      })
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
      const decoder = new TextDecoder()
      for (;;) {
        const { value, done } = await reader.read()
        if (done) break
        attempt = 0
        parser.feed(decoder.decode(value, { stream: true }))
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && ![408, 429].includes(error.status))
        throw error
      if (error instanceof SyntaxError) throw error
    }
    if (signal.aborted) return
    listener.connected?.(false)
    await pause(backOff(attempt), signal)
  }
}

/** Waits, but not beyond `signal`, and not while the browser says that it is back on the network. */
function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      globalThis.removeEventListener?.('online', done)
      resolve()
    }
    const timer = setTimeout(done, seconds * 1000)
    signal.addEventListener('abort', done)
    globalThis.addEventListener?.('online', done)
  })
}
