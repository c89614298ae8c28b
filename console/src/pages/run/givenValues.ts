// Values that a run is repeated with in the place of what was recorded: as texts to edit, and as the server takes them.
import { parsed, written } from '../../api/json.ts'
import type { RetryChoice } from '../../api/types.ts'

type Outputs = Record<string, Record<string, unknown>>
type Mockable = NonNullable<RetryChoice['mockable']>[number]
/** A value that a node reads: text as it is, anything else as JSON. */
export type ReadValue = { owner: string; name: string; isText: boolean; text: string }

export const readValues = (choice: RetryChoice): ReadValue[] =>
  Object.entries(choice.reads ?? {}).flatMap(([owner, values]) =>
    Object.entries(values).map(([name, value]) => ({
      owner,
      name,
      isText: typeof value === 'string',
      text: typeof value === 'string' ? value : written(value, 2),
    })),
  )

/** In the place of outputs: the node runs, and a fake model answers its prompts. */
export const FAKE_MODEL = '{"fake_model": true}'

/** What a mock begins with: what the node gave, or which way a branch goes. */
export const mockOf = (node: Mockable): string =>
  written(node.outputs ?? (node.handles.length > 0 ? { selected_case_id: node.handles[0] } : {}), 2)

export const keyOf = (one: ReadValue): string => `${one.owner}.${one.name}`

/** What was changed of the values, and the mocks, as the server takes them. Raises `SyntaxError`: some is not JSON. */
export function given(values: readonly ReadValue[], edits: Record<string, string>, mocks: Record<string, string>) {
  const outputs: Outputs = {}
  for (const one of values) {
    const text = edits[keyOf(one)]
    // Fields have lines that end in LF alone.
    if (text === undefined || text === one.text.replace(/\r\n?/g, '\n')) continue
    const end = /\r\n?|\n/.exec(one.text)?.[0] ?? '\n'
    outputs[one.owner] = {
      ...outputs[one.owner],
      [one.name]: one.isText ? text.replaceAll('\n', end) : json(keyOf(one), text),
    }
  }
  return {
    values: outputs,
    mocks: Object.fromEntries(Object.entries(mocks).map(([id, text]) => [id, json(id, text)])),
  }
}

function json(name: string, text: string): unknown {
  try {
    return parsed(text)
  } catch (error) {
    throw new SyntaxError(`${name}: ${(error as Error).message}`)
  }
}
