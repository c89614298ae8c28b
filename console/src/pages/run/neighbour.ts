import { get } from '../../api/client.ts'
import type { RunPage as Page, Run } from '../../api/types.ts'
import { type Filter, filterOf } from '../runs/filter.ts'
import { listSearch } from './RunHead.tsx'

/** The run before or behind this one in the list that the address filters, however far down; undefined at its end. */
export async function neighbour(run: Run, direction: 'newer' | 'older'): Promise<string | undefined> {
  const params = new URLSearchParams(listSearch())
  const filter = filterOf(name => params.get(name) ?? '', Date.now() / 1000)
  return direction === 'older' ? older(run, filter) : newer(run, filter)
}

async function older(run: Run, filter: Filter): Promise<string | undefined> {
  const before = Math.min(run.created_at, filter.before ?? Number.POSITIVE_INFINITY)
  const { data } = await get<Page>('runs', { ...filter, before, limit: 50 })
  const at = data.findIndex(one => one.id === run.id)
  return at < 0 ? data.find(one => one.created_at < run.created_at)?.id : data[at + 1]?.id
}

/** Lists begin with the newest: so that few runs are read, a longer and longer stretch behind this one is. */
async function newer(run: Run, filter: Filter): Promise<string | undefined> {
  const last = filter.before ?? Date.now() / 1000 + 1
  const after = Math.max(run.created_at, filter.after ?? 0)
  for (let seconds = 1; ; seconds *= 20) {
    const before = Math.min(last, run.created_at + seconds)
    const data: Run[] = []
    let cursor: string | undefined
    do {
      const page: Page = await get<Page>('runs', { ...filter, after, before, cursor, limit: 200 })
      data.push(...page.data)
      cursor = page.next ?? undefined
    } while (cursor && data.length < MOST)
    const at = data.findIndex(one => one.id === run.id)
    const found = at < 0 ? data.findLast(one => one.created_at > run.created_at) : data[at - 1]
    if (found) return found.id
    if (before >= last) return undefined
  }
}

/** Runs that are read at most of one stretch. */
const MOST = 2000
