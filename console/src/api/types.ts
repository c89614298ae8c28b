// What the console's API gives and takes: the types that are generated of the server's own description, by short names.
import type { RunEvent } from '../run/events.ts'
import type { components } from './schema.ts'

type Schemas = components['schemas']

export type Role = Schemas['Session']['role']
export type Counts = Partial<Record<string, number>>
export type Session = Schemas['CurrentSession']
export type Token = Schemas['Token']
export type Key = Schemas['Key']

export type EnvironmentVariable = Schemas['EnvironmentVariable']

export type Problem = Schemas['Problem']
export type App = Schemas['App']
export type AppDetail = Schemas['AppFull']
export type GraphNode = Schemas['GraphNode']
export type GraphEdge = Schemas['GraphEdge']
export type Variable = Pick<Schemas['FormVariable'], 'name' | 'label' | 'type' | 'required'> &
  Partial<Schemas['FormVariable']>
export type Version = Schemas['ListedVersion']
export type NodeLines = Schemas['NodeSource']
export type RunCoverage = Schemas['RunCoverage']
export type Diff = Schemas['VersionDiff']
export type Field = Schemas['ChangedField']
export type UploadedApp = Schemas['UploadedApp']
export type Imported = Schemas['ImportedFile']

export type Run = Schemas['Run']
/** With its graph where it is shown by a link. */
export type RunDetail = Schemas['RunFull'] & Partial<Schemas['SharedRun']>
export type RunShare = Schemas['RunShare']
export type RunDifferences = Schemas['RunDifferences']
export type RunPage = Schemas['RunList']
export type RetryChoice = Schemas['RetryChoice']
export type Tick = { counts: Counts; capped: boolean; new: number; changed: Run[]; gone: string[] }
export type Histogram = Schemas['Histogram']
export type RunCharts = Schemas['RunCharts']
export type ChartPoint = Schemas['ChartPoint']
export type Callback = Schemas['UndeliveredCallback']

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
type Expect<T extends true> = T
type Told = Schemas['LogPage']['data'][number]['event']
/** The fold knows every event that the server tells, and no other: else this does not compile. */
export type FoldKnowsAll = Expect<Same<RunEvent['event'], Told>>

export type Overview = Schemas['Overview']
export type Conversation = Schemas['Conversation']
export type Message = Schemas['Message']
export type ChatVariable = Schemas['ChatVariable']
export type Mend = Schemas['MendInfo']
export type Tried = Schemas['ProviderTried']
export type System = Schemas['SystemInfo']
export type Tool = Schemas['ToolEntry']
export type Plugin = Schemas['PluginEntry']
export type Trigger = Schemas['TriggerEntry']
export type Delivery = Schemas['DeliveryEntry']
export type DeliveryDetail = Omit<Schemas['DeliveryFull'], 'call'> & { call: Call | null }
type Call = Record<'headers' | 'query_params' | 'body' | 'files', unknown>
export type Dataset = Schemas['KnowledgeSet']
export type Document = Schemas['KnowledgeDocument']
export type Segment = Schemas['KnowledgeSegment']
export type Hit = Schemas['KnowledgeHit']
