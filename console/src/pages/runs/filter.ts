// Which runs the page lists, as its address says.
import { useMemo } from 'react'
import { useAddress } from '../../app/address.ts'

export type Filter = {
  app?: string
  status?: string
  keyword?: string
  user?: string
  version?: string
  conversation?: string
  error?: string
  failed_at?: string
  retry?: string
  model?: string
  min_elapsed?: number
  min_tokens?: number
  min_cost?: number
  after?: number
  before?: number
}

/** Stretches of time to choose from, in seconds. */
export const SPANS: Readonly<Record<string, number | undefined>> = {
  '1h': 3600,
  '24h': 86_400,
  '7d': 604_800,
  '30d': 2_592_000,
  all: undefined,
}

export const STATUSES: readonly { id: string; status: string; look: string }[] = [
  { id: 'running', status: 'running', look: 'running' },
  { id: 'paused', status: 'paused', look: 'paused' },
  { id: 'failed', status: 'failed', look: 'failed' },
  { id: 'partial', status: 'partial-succeeded', look: 'partial' },
  { id: 'succeeded', status: 'succeeded', look: 'succeeded' },
  { id: 'stopped', status: 'stopped', look: 'stopped' },
]

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The stretch of time of an address that names none: of runs that wait, and of one that is looked for by its id, all. */
export const spanOf = (read: (name: string) => string): string =>
  read('t') || (read('status') === 'paused' || ID.test(read('q').trim()) ? 'all' : '24h')

/** What the list is seldom narrowed by, by the names in the address. */
export const RARE = [
  'user',
  'version',
  'conversation',
  'error',
  'failed_at',
  'retry',
  'model',
  'took',
  'tokens',
  'cost',
]
const NAMES = [...RARE, 'app', 'status', 'q', 't', 'from', 'until']
/** A change of the address to all runs of all times. */
export const EVERYTHING = { ...Object.fromEntries(NAMES.map(name => [name, undefined])), t: 'all' }

/** The filter of an address.
 *
 * @param read What a parameter says, `''` for nothing.
 * @param now Seconds since the Unix epoch, from which the stretch of time counts back.
 */
export function filterOf(read: (name: string) => string, now: number): Filter {
  const status = read('status')
  const span = SPANS[spanOf(read)]
  const after = read('from') ? Number(read('from')) : span === undefined ? undefined : Math.floor(now) - span
  const given = {
    app: read('app'),
    status: STATUSES.find(one => one.id === status)?.status ?? status,
    keyword: read('q'),
    user: read('user'),
    version: read('version'),
    conversation: read('conversation'),
    error: read('error'),
    failed_at: read('failed_at'),
    retry: read('retry'),
    model: read('model'),
    min_elapsed: Number(read('took')) || undefined,
    min_tokens: Number(read('tokens')) || undefined,
    min_cost: Number(read('cost')) || undefined,
    after,
    before: read('until') ? Number(read('until')) : undefined,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value))
}

/** The filter of this page's address. The beginning of its time stays where it is until the address changes. */
export function useFilter(): Filter {
  const [read] = useAddress()
  const said = JSON.stringify(NAMES.map(name => [name, read(name)]))
  return useMemo(() => {
    const params = new Map(JSON.parse(said) as [string, string][])
    return filterOf(name => params.get(name) ?? '', Date.now() / 1000)
  }, [said])
}
