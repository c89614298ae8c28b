// The conditions of a step: as the file has them, and what its run made of each.
import type { Json, Values } from './events.ts'
import type { Execution } from './state.ts'
import type { Selector } from './variables.ts'

/** Whether it holds; undefined: it was not looked at. */
type Held = boolean | undefined
export type Condition = {
  /** Empty within a list: `key` says what of its elements is looked at. */
  readonly selector: Selector
  readonly key: string
  readonly operator: string
  readonly value: Json
  /** Conditions on the files of a list. */
  readonly inner?: Joined
  readonly held: Held
  /** As the record has it, with masks for secrets. */
  readonly actual?: Json
}
type Joined = { readonly any: boolean; readonly conditions: readonly Condition[] }
export type Case = Joined & {
  readonly id: string
  /** Of a class. */
  readonly name: string
  readonly outcome: 'chosen' | 'not' | 'unseen' | 'broke'
}
/** Of each case that was looked at, in their order. */
type Judged = { readonly results?: readonly boolean[]; readonly final_result?: boolean; readonly group?: unknown }

const REFERENCE = /\{\{#([A-Za-z0-9_]{1,50}(?:\.[A-Za-z_][A-Za-z0-9_]{0,29}){1,10})#\}\}/g
const WITHOUT_VALUE = ['exists', 'not exists']

/** The cases of a file, and what became of them. `judged` and `compared` are of the record; undefined: it has none. */
export function casesOf(
  raw: readonly unknown[] | undefined,
  execution: Pick<Execution, 'status' | 'handle'>,
  judged: readonly Judged[] | undefined,
  compared: readonly Values[],
): readonly Case[] {
  const failed = execution.status === 'failed'
  return (raw ?? (judged ?? []).map(one => one.group)).map((one, index) => {
    const { results = [], final_result: final, group } = judged?.[index] ?? {}
    // The graph has no literals for viewers; the record has those of the cases that were looked at.
    const found = object(group ?? one)
    const id = text(found.case_id ?? found.id)
    const joined = joinedOf(found, results)
    const chosen = judged && !failed ? final === true : execution.handle === id && !failed
    const broke = failed && judged?.length === index
    return {
      ...joined,
      conditions: index + 1 === judged?.length ? withActual(joined.conditions, compared) : joined.conditions,
      id,
      name: text(found.name),
      outcome: chosen ? 'chosen' : broke ? 'broke' : final === false ? 'not' : 'unseen',
    }
  })
}

function joinedOf(raw: Values, results: readonly boolean[]): Joined {
  return {
    any: raw.logical_operator === 'or',
    conditions: list(raw.conditions).map((one, index) => {
      const found = object(one)
      const inner = found.sub_variable_condition
      return {
        selector: list(found.variable_selector).map(text),
        key: text(found.key),
        operator: text(found.comparison_operator),
        value: found.value ?? null,
        ...(inner ? { inner: joinedOf(object(inner), []) } : {}),
        held: results[index],
      }
    }),
  }
}

/** The comparisons of the last case that was looked at: the record has those, but of what needs no comparison. */
function withActual(conditions: readonly Condition[], compared: readonly Values[]): readonly Condition[] {
  const rest = [...compared]
  const found = conditions.map(one => {
    const isCompared = one.held !== undefined && !WITHOUT_VALUE.includes(one.operator) && !one.inner
    const [next] = rest
    if (!isCompared || next?.comparison_operator !== one.operator || !('actual_value' in next)) return one
    rest.shift()
    return { ...one, actual: next.actual_value as Json }
  })
  return rest.length === 0 ? found : conditions
}

/** The variables that a condition reads: the one that it is about first, then those in its value. */
export function readBy({ selector, value }: Condition): readonly Selector[] {
  const inValue = typeof value === 'string' ? [...value.matchAll(REFERENCE)].map(([, name = '']) => name) : []
  const names = [...(selector.length > 0 ? [selector.join('.')] : []), ...inValue]
  return [...new Set(names)].map(name => name.split('.'))
}

const object = (value: unknown): Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : {}
const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value : [])
const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
