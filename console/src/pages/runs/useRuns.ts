// The list of runs: pages that were asked for, brought up to date by the stream. Runs that no longer match leave it; those
// that match now are counted, not put in.
import { type InfiniteData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef, useState } from 'react'
import { get } from '../../api/client.ts'
import { listen } from '../../api/stream.ts'
import type { Counts, Run, RunPage, Tick } from '../../api/types.ts'
import type { Filter } from './filter.ts'

type Pages = InfiniteData<RunPage, string | undefined>
const LIMIT = 50
/** Rows of a page at most. */
const AGAIN = 200

const rowsOf = (list: { pages: readonly RunPage[] } | undefined): Run[] => list?.pages.flatMap(page => page.data) ?? []

/** The rows that are listed as they are now, down to the oldest; `upTo`: from this one on, not from the newest there is.
 * What is newer takes no more pages than the list has rows for; `tail`: and the list gets no longer. */
async function again(filter: Filter, old: Pages | undefined, upTo?: Run, tail = false): Promise<Pages> {
  const rows = rowsOf(old)
  const oldest = rows.at(-1)
  const most = Math.max(old?.pages.length ?? 0, Math.ceil((2 * rows.length) / AGAIN))
  const asked = { ...filter, ...(upTo && { before: upTo.created_at }) }
  const found: Pages = { pages: [], pageParams: [] }
  let cursor: string | undefined
  do {
    const limit = Math.min(AGAIN, Math.max(LIMIT, rows.length - rowsOf(found).length))
    const page: RunPage = await get<RunPage>('runs', { ...asked, cursor, limit })
    found.pages.push(page)
    found.pageParams.push(cursor)
    cursor = page.next ?? undefined
    if (tail && rowsOf(found).length >= rows.length) break
    if (page.data.some(run => run.id === oldest?.id || run.created_at < (oldest?.created_at ?? 0))) break
  } while (cursor && found.pages.length < most)
  return found
}

export function useRuns(filter: Filter) {
  const cache = useQueryClient()
  const key = JSON.stringify(filter)
  const [live, setLive] = useState<{
    counts?: Counts
    capped?: boolean
    fresh: number
    connected: boolean
    lostAt?: number
  }>({
    fresh: 0,
    connected: false,
  })
  const query = useInfiniteQuery({
    queryKey: ['runs', key],
    queryFn: ({ pageParam, signal }) => get<RunPage>('runs', { ...filter, cursor: pageParam, limit: LIMIT }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next ?? undefined,
    // Nothing moves by itself: what changes comes by the stream.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  })
  /** Runs that came to match, and are not in the list; an older one may do so after a newer one. */
  const unlisted = useRef(new Set<string>())
  const renew = useCallback(
    async (before: boolean, tail = false) => {
      const old = cache.getQueryData<Pages>(['runs', key])
      const found = await again(JSON.parse(key) as Filter, old, before ? old?.pages[0]?.data[0] : undefined, tail)
      cache.setQueryData<Pages>(['runs', key], found)
      return found.pages[0]
    },
    [cache, key],
  )
  const showNew = useCallback(
    async (tail = false) => {
      const page = await renew(false, tail)
      unlisted.current.clear()
      setLive(now => ({ ...now, fresh: 0, counts: page?.counts ?? {}, capped: page?.capped ?? false }))
    },
    [renew],
  )
  const isFetchedHere = useRef(false)
  isFetchedHere.current = query.isFetchedAfterMount
  const loaded = query.data !== undefined
  const first = query.data?.pages[0]?.data[0]
  const newest = useRef<{ key: string; run?: Run | undefined }>({ key })
  // The newest that was listed stays so when it leaves the list: the stream goes on.
  if (newest.current.key !== key || (first && first.created_at >= (newest.current.run?.created_at ?? 0)))
    newest.current = { key, run: first }
  const newestId = newest.current.run?.id ?? ''
  useEffect(() => {
    if (!loaded) return
    const over = new AbortController()
    // What was kept from an earlier visit is read again.
    let before = !isFetchedHere.current
    setLive(({ connected }) => ({ fresh: 0, connected }))
    unlisted.current.clear()
    const hear = (tick: Tick) => {
      const old = cache.getQueryData<Pages>(['runs', key])
      if (!old) return
      const listed = new Set(rowsOf(old).map(run => run.id))
      const oldest = old.pages.at(-1)?.next ? (rowsOf(old).at(-1)?.created_at ?? 0) : 0
      for (const run of tick.changed) if (!listed.has(run.id) && run.created_at >= oldest) unlisted.current.add(run.id)
      for (const id of tick.gone) unlisted.current.delete(id)
      const fresh = Math.max(tick.new, unlisted.current.size)
      setLive(now => ({ ...now, counts: tick.counts, capped: tick.capped ?? false, fresh }))
      cache.setQueryData<Pages>(['runs', key], changed(old, tick))
    }
    listen(
      'runs/stream',
      { ...query_(JSON.parse(key) as Filter), ...(newestId ? { newest: newestId } : {}) },
      {
        message: (name, data) => name === 'tick' && hear(data as Tick),
        connected: is => {
          // A stream that was opened again tells of new runs, and not of what became of those that are listed.
          if (is && before) void renew(true).catch(() => undefined)
          before ||= is
          setLive(({ lostAt, ...now }) =>
            is ? { ...now, connected: true } : { ...now, connected: false, lostAt: lostAt ?? Date.now() / 1000 },
          )
        },
      },
      over.signal,
    ).catch(() => undefined)
    return () => over.abort()
  }, [cache, key, renew, loaded, newestId])
  const pages = query.data?.pages ?? []
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = query
  const isEmpty = loaded && pages.every(page => page.data.length === 0)
  useEffect(() => {
    // The server looks at so many runs at a time: an unselective filter may find none among them, and more behind.
    if (isEmpty && hasNextPage && !isFetchingNextPage) void fetchNextPage()
  }, [isEmpty, hasNextPage, isFetchingNextPage, fetchNextPage])
  const seen = new Set<string>()
  const runs = rowsOf(query.data).filter(run => !seen.has(run.id) && seen.add(run.id))
  // The server counts without the text that is searched, which is slow to find: what is listed is counted here.
  const searched = filter.keyword !== undefined
  return {
    query,
    runs,
    counts: searched ? tally(runs) : (live.counts ?? pages[0]?.counts ?? {}),
    capped: searched ? hasNextPage : (live.capped ?? pages[0]?.capped ?? false),
    /** Whether the counts are here, those of other statuses as well. */
    counted: loaded && !(searched && filter.status),
    archivedUntil: hasNextPage ? null : (pages.at(-1)?.archived_until ?? null),
    live,
    showNew,
  }
}

function tally(runs: readonly Run[]): Counts {
  const counts: Counts = {}
  for (const { status } of runs) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

const query_ = (filter: Filter): Record<string, string> =>
  Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, String(value)]))

function changed(pages: Pages, tick: Tick): Pages {
  const now = new Map<string, Run | null>(tick.changed.map(run => [run.id, run]))
  for (const id of tick.gone) now.set(id, null)
  if (!pages.pages.some(page => page.data.some(run => now.has(run.id)))) return pages
  const of = (run: Run): Run[] => {
    const after = now.get(run.id)
    return after === null ? [] : [after ?? run]
  }
  return { ...pages, pages: pages.pages.map(page => ({ ...page, data: page.data.flatMap(of) })) }
}
