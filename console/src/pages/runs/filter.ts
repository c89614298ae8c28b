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

/** The filter of the address. The beginning of its time stays where it is until the address changes. */
export function useFilter(): Filter {
  const [read] = useAddress()
  const [app, status, keyword, user, version, conversation] = [
    'app',
    'status',
    'q',
    'user',
    'version',
    'conversation',
  ].map(read)
  const [span, from, until] = ['t', 'from', 'until'].map(read)
  return useMemo(() => {
    const seconds = SPANS[span || '24h']
    const after = from ? Number(from) : seconds === undefined ? undefined : Math.floor(Date.now() / 1000) - seconds
    return {
      ...(app ? { app } : {}),
      ...(status ? { status: STATUSES.find(one => one.id === status)?.status ?? status } : {}),
      ...(keyword ? { keyword } : {}),
      ...(user ? { user } : {}),
      ...(version ? { version } : {}),
      ...(conversation ? { conversation } : {}),
      ...(after ? { after } : {}),
      ...(until ? { before: Number(until) } : {}),
    }
  }, [app, status, keyword, user, version, conversation, span, from, until])
}
