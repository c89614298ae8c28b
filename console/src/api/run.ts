// Where a run is read from: its log in pages, and its stream.
import type { RunEvent } from '../run/events.ts'
import type { Hear, LogPage, Source } from '../run/follow.ts'
import { get } from './client.ts'
import { listen } from './stream.ts'

export function runSource(id: string): Source {
  return {
    page: (after, signal) => get<LogPage>(`runs/${id}/log`, { after, limit: 2000 }, signal),
    stream: (after, hear: Hear, signal) =>
      listen(
        `runs/${id}/stream`,
        {},
        {
          after: () => (after() < 0 ? undefined : String(after())),
          connected: hear.connected,
          message: (name, data) => {
            if (name === 'hello') hear.hello((data as { now: number }).now)
            else if (data && typeof data === 'object' && 'id' in data) hear.events([data as RunEvent])
          },
        },
        signal,
      ),
  }
}
