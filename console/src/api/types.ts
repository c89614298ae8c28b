// What the console's API gives and takes: the types that are generated of the server's own description, by short names.
import type { RunEvent } from '../run/events.ts'
import type { components } from './schema.ts'

type Schemas = components['schemas']

export type Role = Schemas['Session']['role']
export type Counts = Partial<Record<string, number>>
export type Session = Schemas['CurrentSession']
export type Token = Schemas['Token']
export type Key = Schemas['Key']

export type Problem = Schemas['Problem']
export type App = Schemas['App']
export type AppDetail = Schemas['AppFull']
export type GraphNode = Schemas['GraphNode']
export type GraphEdge = Schemas['GraphEdge']
export type Variable = Pick<Schemas['FormVariable'], 'name' | 'label' | 'type' | 'required'> &
  Partial<Schemas['FormVariable']>
export type Version = Schemas['ListedVersion']
export type Diff = Schemas['VersionDiff']
export type Field = Schemas['ChangedField']
export type Imported = Schemas['ImportedFile']

export type Run = Schemas['Run']
export type RunDetail = Schemas['RunFull']
export type RunPage = Schemas['RunList']
export type Tick = { counts: Counts; capped: boolean; new: number; changed: Run[] }
export type Histogram = Schemas['Histogram']
export type Callback = Schemas['UndeliveredCallback']

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
type Told = Schemas['LogPage']['data'][number]['event']
/** The fold knows every event that the server tells, and no other: else this does not compile. */
export const foldKnowsAll: Same<RunEvent['event'], Told> = true

export type Overview = {
  running: number
  queued: number
  paused: number
  day: { runs: number; by_status: Counts; cost: Record<string, string> }
}
export type Conversation = {
  id: string
  name: string
  user: string
  messages: number
  status?: string
  created_at: number
  updated_at: number
}
export type Message = {
  id: string
  query: string
  answer: string
  files: { id?: string; name?: string; url?: string; type?: string }[]
  run_id?: string | null
  status: Run['status']
  created_at: number
  tokens: number
}

export type Mend = {
  level: 'error' | 'warning' | 'note'
  about: string
  text: string
  mend?: string | null
  apps: string[]
}
export type System = {
  server: Record<string, unknown>
  store: Record<string, unknown>
  load: { name: string; used: number; limit?: number | null }[]
  settings: { name: string; value: string; from: string }[]
  providers: {
    name: string
    type: string
    host: string
    state: string
    error?: string | null
    hour: { requests: number; failed: number; p50?: number | null }
    apps: string[] | number
  }[]
  sandbox: { state: string; checks: { name: string; ok: boolean; text?: string }[] }
  callbacks: { pending: number; failed: number }
  to_mend: Mend[]
}
