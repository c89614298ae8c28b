// What the console's API gives and takes: the schemas of the server's own description, by their short names.
import type { Values } from '../run/events.ts'

export type Role = 'operator' | 'viewer'
export type Icon = { type?: string; value?: string; background?: string } | null
export type Counts = Partial<Record<string, number>>
export type RunStatus = 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'stopped' | 'partial-succeeded'

export type Session = {
  role: Role
  name: string
  expires_at: number
  server: { version: string; now: number; public_url: string }
  features: { chat: boolean; knowledge?: boolean }
}
export type Overview = {
  running: number
  queued: number
  paused: number
  day: { runs: number; by_status: Counts; cost: Record<string, string> }
}
export type Token = {
  id: string
  name: string
  role: Role
  hint: string
  created_at: number
  used_at?: number | null
  token?: string
}
export type Key = { id: string; hint: string; created_at: number; used_at?: number | null; key?: string }

export type Problem = {
  level: 'error' | 'warning' | 'note'
  path: string
  node_id?: string | null
  problem: string
  hint?: string | null
}
export type App = {
  id: string
  name: string
  mode: string
  description: string
  icon: Icon
  nodes: number
  version: { workflow_id: string; number: number; published_at: number }
  versions: number
  problems: { errors: number; warnings: number }
  last_runs: { id: string; status: RunStatus; elapsed: number }[]
  day: { runs: number; by_status: Counts; p50?: number | null; p95?: number | null }
  last_at?: number | null
}
export type GraphNode = {
  id: string
  type: string
  title: string
  note?: string | null
  x: number
  y: number
  width: number
  height: number
  parent?: string | null
  detail?: string | null
}
export type GraphEdge = { id: string; source: string; handle: string; target: string }
export type Variable = {
  variable: string
  label: string
  type: string
  required: boolean
  default?: unknown
  max_length?: number | null
  options?: string[]
  hint?: string | null
  allowed_file_types?: string[]
  allowed_file_extensions?: string[]
  allowed_file_upload_methods?: string[]
}
export type AppDetail = Omit<App, 'problems'> & {
  graph: { nodes: GraphNode[]; edges: GraphEdge[] }
  form: Variable[]
  features: Record<string, unknown>
  problems: Problem[]
  models: { provider: string; model: string; nodes: string[]; ok: boolean }[]
}
export type Version = { workflow_id: string; number: number; published_at: number; current?: boolean }
export type Change = 'added' | 'removed' | 'changed'
export type Field = { path: string; before?: unknown; after?: unknown }
export type Diff = {
  nodes: { id: string; title: string; type: string; change: Change; fields: Field[] }[]
  edges: { source: string; target: string; handle?: string; change: Change }[]
  features: Field[]
}
export type Imported = { file: string; app?: App | null; version?: Version | null; problems: Problem[] }

export type Run = {
  id: string
  app: { id: string; name: string; icon: Icon }
  version: number | string
  status: RunStatus
  created_at: number
  finished_at?: number | null
  elapsed: number
  tokens: number
  price?: string | null
  user: string
  error?: { node_id?: string | null; title?: string | null; message: string } | null
  exceptions: { tries: number; handled: number; rounds: number }
  preview?: string | null
  waits_for: { form_id: string; title: string; expires_at?: number | null }[]
  retry_of?: string | null
  conversation_id?: string | null
}
export type RunDetail = Run & {
  inputs: Values
  outputs: Values | null
  log_end: number
  workflow_id: string
  task_id: string
  lineage: { retry_of?: string | null; from_node_ids: string[]; retries: string[] }
  callback?: Callback | null
}
export type RunPage = { data: Run[]; next?: string | null; counts: Counts; capped?: boolean }
export type Tick = { counts: Counts; capped?: boolean; new: number; changed: Run[] }
export type Histogram = { from: number; step: number; data: { at: number; by_status: Counts }[] }
export type Callback = {
  run_id: string
  app_id: string
  url: string
  state: string
  attempts: number
  error?: string | null
  next_at?: number | null
}
export type OpenForm = { run_id: string; app: Run['app']; form_id: string; title: string; expires_at?: number | null }

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
  status: RunStatus
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
