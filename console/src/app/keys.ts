// One table of keys: it binds them, and the dialog of keys is made of it.
import type { KeyboardEvent as ReactKeyboardEvent } from 'react'
import type { Word } from '../words/words.ts'

/** Where a key acts: `everywhere`, or while that panel has the focus and no field in it. */
export type Scope = 'everywhere' | 'runs' | 'steps' | 'run'
export type Action =
  | 'jump'
  | 'keys'
  | 'next'
  | 'previous'
  | 'first'
  | 'last'
  | 'open'
  | 'close'
  | 'enter'
  | 'back'
  | 'tab'
  | 'failure'
  | 'forward'
  | 'backward'
  | 'play'
  | 'end'
  | 'fit'
  | 'graph'
  | 'events'
  | 'answer'
  | 'newer'
  | 'older'
  | 'again'
  | 'filter'
  | 'new'
  | 'choose'

export type Binding = {
  readonly action: Action
  readonly scope: Scope
  readonly keys: readonly string[]
  readonly word: Word
}

export const KEYS: readonly Binding[] = [
  { action: 'jump', scope: 'everywhere', keys: ['Mod+k'], word: 'keys.jump' },
  { action: 'keys', scope: 'everywhere', keys: ['?'], word: 'keys.keys' },
  { action: 'next', scope: 'runs', keys: ['j', 'ArrowDown'], word: 'keys.next_run' },
  { action: 'previous', scope: 'runs', keys: ['k', 'ArrowUp'], word: 'keys.previous_run' },
  { action: 'first', scope: 'runs', keys: ['Home'], word: 'keys.first_run' },
  { action: 'last', scope: 'runs', keys: ['End'], word: 'keys.last_run' },
  { action: 'enter', scope: 'runs', keys: ['Enter'], word: 'keys.open_run' },
  { action: 'filter', scope: 'runs', keys: ['/'], word: 'keys.filter' },
  { action: 'new', scope: 'runs', keys: ['n'], word: 'keys.new' },
  { action: 'choose', scope: 'runs', keys: ['x'], word: 'keys.choose' },
  { action: 'next', scope: 'steps', keys: ['j', 'ArrowDown'], word: 'keys.next_step' },
  { action: 'previous', scope: 'steps', keys: ['k', 'ArrowUp'], word: 'keys.previous_step' },
  { action: 'open', scope: 'steps', keys: ['ArrowRight'], word: 'keys.open_step' },
  { action: 'close', scope: 'steps', keys: ['ArrowLeft'], word: 'keys.close_step' },
  { action: 'first', scope: 'steps', keys: ['Home'], word: 'keys.first_step' },
  { action: 'last', scope: 'steps', keys: ['End'], word: 'keys.last_step' },
  { action: 'enter', scope: 'steps', keys: ['Enter'], word: 'keys.inspector' },
  { action: 'back', scope: 'run', keys: ['Escape'], word: 'keys.back' },
  { action: 'tab', scope: 'run', keys: ['1', '2', '3', '4', '5'], word: 'keys.tab' },
  { action: 'failure', scope: 'run', keys: ['f'], word: 'keys.failure' },
  { action: 'backward', scope: 'run', keys: [','], word: 'keys.backward' },
  { action: 'forward', scope: 'run', keys: ['.'], word: 'keys.forward' },
  { action: 'play', scope: 'run', keys: [' '], word: 'keys.play' },
  { action: 'end', scope: 'run', keys: ['l'], word: 'keys.end' },
  { action: 'fit', scope: 'run', keys: ['0'], word: 'keys.fit' },
  { action: 'graph', scope: 'run', keys: ['g'], word: 'keys.graph' },
  { action: 'events', scope: 'run', keys: ['e'], word: 'keys.events' },
  { action: 'answer', scope: 'run', keys: ['a'], word: 'keys.answer' },
  { action: 'newer', scope: 'run', keys: ['['], word: 'keys.newer' },
  { action: 'older', scope: 'run', keys: [']'], word: 'keys.older' },
  { action: 'again', scope: 'run', keys: ['r'], word: 'keys.again' },
]

type Pressed = KeyboardEvent | ReactKeyboardEvent

const isField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (/^(TEXTAREA|SELECT)$/.test(target.tagName) ||
    target.isContentEditable ||
    (target.tagName === 'INPUT' && !['checkbox', 'radio', 'button'].includes((target as HTMLInputElement).type)))
/** What a button, a link or a tab does with a key is its own. */
const takes = (target: EventTarget | null, key: string): boolean =>
  target instanceof HTMLElement &&
  (key === ' ' || key === 'Enter') &&
  target.closest('button, a, summary, input, [role=menuitem], [role=tab]') !== null

/** The action that a key stands for in a scope; undefined for all others, and for single keys within a field. */
export function pressed(scope: Scope, event: Pressed): Action | undefined {
  const mod = event.ctrlKey || event.metaKey
  if (event.altKey || (event as KeyboardEvent).isComposing) return undefined
  const key = mod ? `Mod+${event.key.toLowerCase()}` : event.key
  if (!mod && (isField(event.target) || takes(event.target, event.key))) return undefined
  return KEYS.find(binding => binding.scope === scope && binding.keys.includes(key))?.action
}

const NAMES: Readonly<Record<string, string>> = {
  ArrowDown: '↓',
  ArrowUp: '↑',
  ArrowRight: '→',
  ArrowLeft: '←',
  ' ': 'Space',
  Escape: 'Esc',
}
const isMac = (): boolean => /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? '')
/** A key as it is written on a keyboard. */
export const keyName = (key: string): string =>
  key.startsWith('Mod+') ? `${isMac() ? '⌘' : 'Ctrl'} ${key.slice(4).toUpperCase()}` : (NAMES[key] ?? key)
