// One thing done to many runs: a request for each, some at a time, until all are done or it is stopped.
import { ApiError, get, post, remove, request } from '../../api/client.ts'
import type { App, Run, RunPage } from '../../api/types.ts'
import type { Filter } from './filter.ts'

export type Deed = 'retry' | 'stop' | 'export' | 'delete'
/** Runs that one deed is done to at most. */
export const MOST = 1_000
const AT_ONCE = 4
const PAGE = 200
/** Pages that are looked through: a filter may let hardly any run through. */
const PAGES = 50
/** Times that a server that has too much to do is asked again, a second later. */
const PATIENCE = 10

const ENDED = ['failed', 'partial-succeeded', 'stopped', 'succeeded']
const FIT: Readonly<Record<Deed, readonly string[]>> = {
  retry: ['failed'],
  stop: ['running', 'paused'],
  export: ENDED,
  delete: ENDED,
}
/** Those of some runs to which a deed can be done. */
export const fitting = <T extends Pick<Run, 'status'>>(deed: Deed, runs: readonly T[]): T[] =>
  runs.filter(run => FIT[deed].includes(run.status))

/** The runs of a filter to which a deed can be done, newest first, and whether there are more. */
export async function matching(deed: Deed, filter: Filter, signal: AbortSignal): Promise<[runs: Run[], more: boolean]> {
  const found: Run[] = []
  let cursor: string | undefined
  let pages = 0
  do {
    const page = await get<RunPage>('runs', { status: FIT[deed].join(), ...filter, cursor, limit: PAGE }, signal)
    found.push(...fitting(deed, page.data))
    cursor = page.next ?? undefined
  } while (cursor !== undefined && found.length <= MOST && ++pages < PAGES)
  return [found.slice(0, MOST), found.length > MOST || cursor !== undefined]
}

/** A request that does it to one run. `keep` takes a run that is exported, as one line of JSON. */
export function deedOf(deed: Deed, current: boolean, apps: readonly App[], keep: (line: string) => void) {
  return async (run: Run): Promise<void> => {
    if (deed === 'stop') await post(`runs/${run.id}/stop`)
    else if (deed === 'delete') await remove(`runs/${run.id}`)
    else if (deed === 'export') keep(await (await request('GET', `runs/${run.id}`)).text())
    else {
      // Refused if another version was published since the page learned of this one.
      const version = current ? apps.find(app => app.id === run.app.id)?.version.number : undefined
      await post(`runs/${run.id}/retry`, version === undefined ? {} : { version, current: version })
    }
  }
}

/** Does something to each. `told` hears how many are done, those that failed among them. */
export async function toEach<T>(
  items: readonly T[],
  act: (item: T) => Promise<void>,
  told: (done: number, failed?: readonly [item: T, error: unknown]) => void,
  signal: AbortSignal,
  wait = () => new Promise<void>(resolve => setTimeout(resolve, 1_000)),
): Promise<void> {
  const left = items.values()
  let done = 0
  const patiently = async (item: T): Promise<void> => {
    for (let tries = 0; ; tries++) {
      try {
        return await act(item)
      } catch (error) {
        const busy = error instanceof ApiError && (error.status === 429 || error.status === 503)
        if (!busy || tries >= PATIENCE || signal.aborted) throw error
        await wait()
      }
    }
  }
  const worker = async (): Promise<void> => {
    for (const item of left) {
      if (signal.aborted) return
      const failed = await patiently(item).then(
        () => undefined,
        (error: unknown) => [item, error] as const,
      )
      told(++done, failed)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
