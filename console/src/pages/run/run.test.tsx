// @vitest-environment happy-dom

import { QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, renderHook, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { queryClient } from '../../api/queries.ts'
import type { RunDetail, Session } from '../../api/types.ts'
import { Current } from '../../app/Shell.tsx'
import { advance, begin } from '../../run/fold.ts'
import { readLog } from '../../run/logs.ts'
import type { Execution } from '../../run/state.ts'
import { setLanguage, t } from '../../words/words.ts'
import Conditions from './Conditions.tsx'
import { type RunView, useRunView } from './useRunView.ts'
import { Output, type Told } from './Values.tsx'

beforeEach(() => setLanguage('en'))
afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
})

const human = readLog('human')

/** A server whose run has so many events, and whose stream stands still. */
function serve(length: number): void {
  vi.stubGlobal('fetch', async (address: string) =>
    address.includes('/log')
      ? Response.json({ data: human.slice(0, length), end: length, closed: length === human.length })
      : new Promise(() => undefined),
  )
}

test('while a run goes on its moment is now, and once it has ended, its end', async () => {
  serve(300)
  const going = renderHook(() => useRunView('r')).result
  await waitFor(() => expect(going.current.position).toBe(299))
  await waitFor(() => expect(going.current.moment).toBeGreaterThan(going.current.latest.at + 60))
  serve(human.length)
  const ended = renderHook(() => useRunView('r')).result
  await waitFor(() => expect(ended.current.follow.phase).toBe('ended'))
  expect(ended.current.moment).toBe(human.at(-1)!.at)
})

test('a node shows its text and its other outputs, or that it has none', () => {
  const run = advance(begin(), human)
  const view = { run, runId: 'r' } as unknown as RunView
  const shown = (outputs: Record<string, unknown>) => {
    cleanup()
    render(
      <Current.Provider value={{ role: 'viewer' } as Session}>
        <Output
          told={{ outputs } as Told}
          view={view}
          execution={{ ...run.executions[0], error: undefined } as Execution}
          choices={[]}
          retry={() => undefined}
          edit={() => undefined}
          over
        />
      </Current.Provider>,
    )
    return document.body.textContent ?? ''
  }
  expect(shown({ text: 'こんにちは', score: 42 })).toMatch(/こんにちは.*score.*42/s)
  expect(shown({ text: 'こんにちは' })).not.toContain('{}')
  expect(shown({ score: 42 })).toContain('42')
  expect(shown({})).toBe(t('inspector.no_output'))
})

test('a classifier shows what it classified, its classes, and the one that was chosen', async () => {
  const classes = [
    { id: '1', name: 'Refunds' },
    { id: '2', name: '配送 🚚' },
  ]
  vi.stubGlobal('fetch', async () => Response.json({ graph: { nodes: [{ id: 'sort', cases: classes }], edges: [] } }))
  const execution = { nodeId: 'sort', type: 'question-classifier', status: 'succeeded', handle: '2', rounds: [] }
  render(
    <QueryClientProvider client={queryClient()}>
      <Current.Provider value={{ role: 'viewer' } as Session}>
        <Conditions
          view={{ runId: 'r', follower: { log: { events: [] } } } as unknown as RunView}
          run={{ app: { id: 'a' }, workflow_id: 'v' } as RunDetail}
          told={{ inputs: { query: 'Where is it?' } } as unknown as Told}
          execution={execution as unknown as Execution}
          choices={[]}
          retry={() => undefined}
          edit={() => undefined}
          over
        />
      </Current.Provider>
    </QueryClientProvider>,
  )
  const chosen = (await screen.findByText(t('case.chosen'))).closest('section')
  expect(chosen?.textContent).toContain('配送 🚚')
  expect(document.body.textContent).toMatch(/Where is it\?.*Refunds/s)
})
