// The variables that a step could read, as the log has them: src/jikko/engine/state.py has the same rules.
import type { Cut, Json, Round, RunEvent, Values } from './events.ts'
import type { Execution } from './state.ts'

export type Selector = readonly string[]
/** A value that the log has; `cut`: it was too long for the page of the log, which has no more than its beginning. */
export type Known = { readonly value: Json; readonly told: RunEvent; readonly path: string; readonly cut?: Cut }
type Written = Known & { readonly body: string }

const keyOf = ([owner = '', name = '']: Selector): string => `${owner}.${name}`
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** The rounds of iterations that something happens in: each has variables of its own. Rounds of loops share theirs. */
const scopeOf = (rounds: readonly Round[] = []): readonly string[] =>
  rounds.filter(([, , kind]) => kind === 'iteration').map(([container, , , index]) => `${container} ${index}`)

/** What variables were when a step began; those that the log does not have are left out. */
export function variablesAt(
  events: Iterable<RunEvent>,
  { startedIn, rounds }: Pick<Execution, 'startedIn' | 'rounds'>,
  selectors: readonly Selector[],
): (selector: Selector) => Known | undefined {
  const wanted = new Set(selectors.map(keyOf))
  const scope = scopeOf(rounds)
  /** By scope, the outermost first. */
  const kept = [[], ...scope].map(() => new Map<string, Written>())
  /** The scopes that are those of the step, too, of all that something is in. */
  const shared = (of: readonly string[]): number => {
    const parts = of.findIndex((one, index) => one !== scope[index])
    return parts < 0 ? of.length : parts
  }
  const write = (
    event: RunEvent,
    of: readonly string[],
    owner: string,
    values: Values = {},
    path: string,
    body = '',
  ) => {
    if (shared(of) < of.length) return
    for (const [name, value] of Object.entries(values)) {
      const key = `${owner}.${name}`
      if (wanted.has(key)) kept[of.length]?.set(key, known(event, value, `${path}/${escaped(name)}`, body))
    }
  }
  for (const event of events) {
    if (event.id >= startedIn) break
    if (event.event === 'run_started') {
      const given = Object.entries(event.system ?? {}).filter(([, value]) => value !== null)
      write(event, [], 'sys', Object.fromEntries(given), '/system')
      if (event.turn) {
        write(event, [], 'sys', { conversation_id: event.turn.conversation_id }, '/turn')
        write(event, [], 'conversation', event.turn.variables, '/turn/variables')
      }
    } else if (event.event === 'container_started') {
      write(event, scopeOf(event.rounds), event.node_id, event.variables, '/variables', bodyOf(event.rounds))
    } else if (event.event === 'round_started') {
      const around = scopeOf(event.rounds)
      if (event.node_type === 'iteration') {
        write(event, [...around, `${event.execution_id} ${event.round}`], event.node_id, event.variables, '/variables')
        // A round of a loop has no scope of its own: what its nodes gave in the last round is forgotten.
      } else if (shared(around) === around.length) {
        const own = kept[around.length]
        for (const [key, { body }] of own ?? []) if (body === event.node_id) own?.delete(key)
      }
    } else if (event.event === 'node_finished' && event.status !== 'failed') {
      const own = scopeOf(event.rounds)
      // A list of changes that was cut does not say which: what can be changed is that, or what it was.
      const cut = event.cut?.find(one => one.path === '/updates')
      if (cut)
        for (const scoped of kept)
          for (const [key, old] of scoped)
            if (!old.path.startsWith('/outputs') && !old.path.startsWith('/system'))
              scoped.set(key, { ...old, told: event, path: cut.path, cut })
      for (const [index, [selector, value]] of (event.updates ?? []).entries()) {
        const key = keyOf(selector)
        if (!wanted.has(key)) continue
        const found = known(event, value, `/updates/${index}/1`, '')
        for (let depth = 0; depth <= shared(own); depth++)
          if (depth === own.length || depth === 0 || kept[depth]?.has(key)) kept[depth]?.set(key, found)
      }
      write(event, own, event.node_id, event.outputs, '/outputs', bodyOf(event.rounds))
    }
  }
  return selector => {
    const found = kept.findLast(one => one.has(keyOf(selector)))?.get(keyOf(selector))
    if (!found || found.cut) return found
    const value = follow(found.value, selector.slice(2))
    return value === undefined ? undefined : { ...found, value }
  }
}

const bodyOf = (rounds: readonly Round[] = []): string => rounds.at(-1)?.[1] ?? ''

function known(told: RunEvent, value: Json, path: string, body: string): Written {
  const cut = told.cut?.find(one => path === one.path || path.startsWith(`${one.path}/`))
  return { told, value, path, body, ...(cut ? { cut } : {}) }
}

/** Through keys of objects to one attribute of a file. */
function follow(value: Json, path: Selector): Json | undefined {
  let found: Json | undefined = value
  for (const name of path) {
    if (typeof found !== 'object' || found === null || Array.isArray(found)) return undefined
    const entry: Values = found as Values
    if (entry.dify_model_identity === '__dify__file__') return entry[name === 'name' ? 'filename' : name] ?? null
    found = entry[name]
  }
  return found
}
