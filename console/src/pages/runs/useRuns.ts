// The list of runs: pages that were asked for, brought up to date by the stream. New runs are counted, not put in.
import { type InfiniteData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useState } from 'react'
import { get } from '../../api/client.ts'
import { listen } from '../../api/stream.ts'
import type { Counts, Run, RunPage, Tick } from '../../api/types.ts'
import type { Filter } from './filter.ts'

type Pages = InfiniteData<RunPage, string | undefined>
const LIMIT = 50

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
  const first = useCallback(async () => {
    const page = await get<RunPage>('runs', { ...(JSON.parse(key) as Filter), limit: LIMIT })
    cache.setQueryData<Pages>(['runs', key], { pages: [page], pageParams: [undefined] })
    setLive(now => ({ ...now, fresh: 0, counts: page.counts, capped: page.capped ?? false }))
  }, [cache, key])
  const loaded = query.data !== undefined
  const newest = query.data?.pages[0]?.data[0]?.id ?? ''
  useEffect(() => {
    if (!loaded) return
    const over = new AbortController()
    let before = false
    setLive({ fresh: 0, connected: false })
    const hear = (tick: Tick) => {
      setLive(now => ({ ...now, counts: tick.counts, capped: tick.capped ?? false, fresh: tick.new }))
      cache.setQueryData<Pages>(['runs', key], old => old && changed(old, tick.changed))
    }
    listen(
      'runs/stream',
      { ...query_(JSON.parse(key) as Filter), ...(newest ? { newest } : {}) },
      {
        message: (name, data) => name === 'tick' && hear(data as Tick),
        connected: is => {
          // A stream that was opened again does not tell what was missed.
          if (is && before) void first().catch(() => undefined)
          before ||= is
          setLive(({ lostAt, ...now }) =>
            is ? { ...now, connected: true } : { ...now, connected: false, lostAt: lostAt ?? Date.now() / 1000 },
          )
        },
      },
      over.signal,
    ).catch(() => undefined)
    return () => over.abort()
  }, [cache, key, first, loaded, newest])
  const pages = query.data?.pages ?? []
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = query
  const isEmpty = loaded && pages.every(page => page.data.length === 0)
  useEffect(() => {
    // The server looks at so many runs at a time: an unselective filter may find none among them, and more behind.
    if (isEmpty && hasNextPage && !isFetchingNextPage) void fetchNextPage()
  }, [isEmpty, hasNextPage, isFetchingNextPage, fetchNextPage])
  const seen = new Set<string>()
  const runs = pages.flatMap(page => page.data).filter(run => !seen.has(run.id) && seen.add(run.id))
  return {
    query,
    runs,
    counts: live.counts ?? pages[0]?.counts ?? {},
    capped: live.capped ?? pages[0]?.capped ?? false,
    archivedUntil: hasNextPage ? null : (pages.at(-1)?.archived_until ?? null),
    live,
    showNew: first,
  }
}

const query_ = (filter: Filter): Record<string, string> =>
  Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, String(value)]))

function changed(pages: Pages, runs: readonly Run[]): Pages {
  const now = new Map(runs.map(run => [run.id, run]))
  if (!pages.pages.some(page => page.data.some(run => now.has(run.id)))) return pages
  return { ...pages, pages: pages.pages.map(page => ({ ...page, data: page.data.map(run => now.get(run.id) ?? run) })) }
}
