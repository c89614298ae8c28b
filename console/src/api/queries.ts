// What pages ask for, each under its name in the cache.
import { QueryClient, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { ApiError, get } from './client.ts'
import type {
  App,
  AppDetail,
  Diff,
  Key,
  Message,
  Overview,
  RetryChoice,
  RunCoverage,
  RunDetail,
  Session,
  System,
  Token,
  Version,
} from './types.ts'

export const queryClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 2000,
        // The server may be on this machine, which needs no network to be asked.
        networkMode: 'always',
        // What the server has refused it refuses again; what could not be asked is asked a few times more.
        retry: (count, error) => count < 3 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
        retryDelay: attempt => Math.min(10_000, 500 * 2 ** attempt),
      },
    },
  })

const list = <T>(path: string, query?: Record<string, string | undefined>) =>
  get<{ data: T[] }>(path, query).then(page => page.data)

export const session = { queryKey: ['session'], queryFn: () => get<Session>('session'), staleTime: 60_000 }
export const useSession = () => useQuery(session)
export const useOverview = () =>
  useQuery({ queryKey: ['overview'], queryFn: () => get<Overview>('overview'), refetchInterval: 5000 })
export const useApps = () => useQuery({ queryKey: ['apps'], queryFn: () => list<App>('apps'), refetchInterval: 10_000 })
export const useApp = (id: string, version?: string) =>
  useQuery({
    queryKey: ['app', id, version ?? ''],
    queryFn: () => get<AppDetail>(`apps/${id}`, { version }),
    enabled: id !== '',
  })
/** The graph of the version that ran; a shared run has it with it. */
export function useGraph(run: RunDetail | undefined) {
  const app = useApp(run && !run.graph ? run.app.id : '', run?.workflow_id)
  return { ...app, data: run?.graph ?? app.data?.graph }
}
export const useVersions = (id: string) =>
  useQuery({
    queryKey: ['versions', id],
    queryFn: () => list<Version>(`apps/${id}/versions`),
    enabled: id !== '',
  })
export const useKeys = (id: string, on: boolean) =>
  useQuery({ queryKey: ['keys', id], queryFn: () => list<Key>(`apps/${id}/keys`), enabled: on })
export const useDiff = (id: string, from: string, to: string) =>
  useQuery({
    queryKey: ['diff', id, from, to],
    queryFn: () => get<Diff>(`apps/${id}/diff`, { from, to }),
    enabled: from !== '' && to !== '',
  })
/** What the newest runs of a version came to. */
export const useCoverage = (id: string, version: string, on: boolean) =>
  useQuery({
    queryKey: ['coverage', id, version],
    queryFn: () => get<RunCoverage>(`apps/${id}/coverage`, { version }),
    enabled: on,
  })
export const useRun = (id: string) => useQuery({ queryKey: ['run', id], queryFn: () => get<RunDetail>(`runs/${id}`) })
/** The versions by which a run can be repeated. Asked again whenever the page is looked at: a fix may be there. */
export const useRetries = (id: string, on: boolean) =>
  useQuery({
    queryKey: ['retry', id],
    queryFn: () => list<RetryChoice>(`runs/${id}/retry`),
    enabled: on,
    refetchOnWindowFocus: 'always',
  })
type Messages = { data: Message[]; next: string | null }
/** The messages of a conversation, the newest first; 100 a page. */
export const useMessages = (conversation: string) =>
  useInfiniteQuery({
    queryKey: ['messages', conversation],
    queryFn: ({ pageParam }) =>
      get<Messages>(`conversations/${conversation}/messages`, { limit: 100, cursor: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next ?? undefined,
    select: ({ pages }) => pages.flatMap(page => page.data),
    enabled: conversation !== '',
  })
/** The first report of a process comes before its sandbox was tried. */
const often = (query: { state: { data?: System } }) => (query.state.data?.sandbox.state === 'checking' ? 1_000 : 10_000)
export const useSystem = () =>
  useQuery({ queryKey: ['system'], queryFn: () => get<System>('system'), refetchInterval: often })
export const useTokens = (on: boolean) =>
  useQuery({ queryKey: ['tokens'], queryFn: () => list<Token>('tokens'), enabled: on })
