// @vitest-environment happy-dom

import { QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, renderHook, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, test, vi } from 'vitest'
import { queryClient } from '../../api/queries.ts'
import type { RunDetail, Session } from '../../api/types.ts'
import { Current } from '../../app/Shell.tsx'
import { advance, begin } from '../../run/fold.ts'
import { readLog } from '../../run/logs.ts'
import type { Execution } from '../../run/state.ts'
import { duration, setLanguage, t } from '../../words/words.ts'
import CompareRuns from './CompareRuns.tsx'
import Conditions from './Conditions.tsx'
import { End } from './End.tsx'
import { Rounds } from './Rounds.tsx'
import { type RunView, useFollower, useRunView } from './useRunView.ts'
import { Output, type Told, Why } from './Values.tsx'

beforeEach(() => setLanguage('en'))
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

test('a container says how its rounds went, and of those that share a square the one that failed', () => {
  const round = (startedAt: number, elapsed?: number, status = 'succeeded') => ({ startedAt, elapsed, status })
  const shown = (...list: ReturnType<typeof round>[]) => {
    cleanup()
    render(<Rounds view={{} as RunView} execution={{ id: 'e', roundList: list, rounds: [] } as unknown as Execution} />)
    return [...document.querySelectorAll('.pair')].map(pair => [...pair.children].map(one => one.textContent))
  }
  const many = Array.from({ length: 801 }, (_, at) => round(at, 1, at === 401 ? 'failed' : 'succeeded'))
  expect(shown(...many.slice(0, 18), round(18, 9, 'failed'), round(18.5, 2), round(19, undefined, 'running'))).toEqual([
    [t('rounds.finished'), t('of', { n: '20', all: '21' })],
    [t('status.failed'), '1'],
    [t('rounds.side_by_side'), '3'],
    [t('rounds.median'), duration(1)],
    [t('rounds.p95'), duration(9)],
    [t('rounds.slowest'), duration(9)],
  ])
  expect(shown()).toEqual([
    [t('rounds.finished'), t('of', { n: '0', all: '0' })],
    [t('rounds.side_by_side'), '0'],
  ])
  shown(...many)
  const squares = [...document.querySelectorAll('.roundgrid button')].map(one => one.getAttribute('aria-label'))
  expect(squares).toHaveLength(400)
  expect(squares.filter(label => label?.endsWith(t('status.failed')))).toEqual([`${t('round', { n: '402' })}, Failed`])
})

test('runs that are compared have their tokens, and what they cost if somebody said so', async () => {
  const run = (id: string, price?: string) => ({
    id,
    status: 'succeeded',
    version: 1,
    created_at: 1,
    elapsed: 2,
    tokens: 18,
    price,
    app: { id: 'a' },
  })
  const answer = { before: run('a'), after: run('b', '0.0010 USD'), fields: [], nodes: [], more_nodes: 0, same: 3 }
  vi.stubGlobal('fetch', async () => Response.json(answer))
  const follower = renderHook(() => useFollower('b')).result.current
  render(
    <QueryClientProvider client={queryClient()}>
      <CompareRuns pair={['a', 'b']} view={{ runId: 'b', follower }} close={() => undefined} />
    </QueryClientProvider>,
  )
  const [before, after] = await screen.findAllByRole('link', { hidden: true })
  expect(before?.textContent).toMatch(/18 tokens · –$/)
  expect(after?.textContent).toMatch(/18 tokens · \$0.0010$/)
})

test.each([
  // where it is, the run, the stream: what stands at the end
  [true, 'running', 'live', 'live'],
  [true, 'paused', 'live', 'paused'],
  [true, 'waiting', 'live', 'live'],
  [true, 'running', 'reconnecting', 'reconnecting'],
  [true, 'paused', 'reconnecting', 'reconnecting'],
  [true, 'running', 'loading', ''],
  [true, 'failed', 'ended', 'ended'],
  [true, 'stopped', 'reconnecting', 'ended'],
  [false, 'running', 'loading', 'go to live'],
  [false, 'paused', 'live', 'go to live'],
  [false, 'succeeded', 'ended', 'to the end'],
])('at the end (%s) of a run that is %s, with a stream that is %s, stands %j', async (atEnd, status, phase, said) => {
  const went: number[] = []
  const view = { atEnd, latest: { status }, follow: { phase, head: 7 }, go: (to: number) => went.push(to) }
  render(<End view={view as unknown as RunView} />)
  expect(document.body.textContent).toBe(said)
  if (!atEnd) await userEvent.click(screen.getByRole('button'))
  expect(went).toEqual(atEnd ? [] : [7])
})

test('before its log is read, nothing stands at the end of a run', () => {
  const view = { atEnd: false, latest: { status: 'running' }, follow: { phase: 'loading', head: -1 } }
  render(<End view={view as unknown as RunView} />)
  expect(document.body.textContent).toBe('')
})

test('a failed node says what kind of failure it is, and only who may run it again is asked to, once it is over', async () => {
  const retried: unknown[] = []
  const shown = (role: string, over: boolean, execution: object) => {
    cleanup()
    render(
      <Current.Provider value={{ role } as Session}>
        <Why
          execution={{ error: 'だめ 🙅', rounds: [], ...execution } as unknown as Execution}
          choices={[
            { version: 3, is_current: true, why_not: null, taken_over: [], from_nodes: [] } as never,
            { version: 2, is_current: false, why_not: null, taken_over: [], from_nodes: [] } as never,
          ]}
          retry={version => retried.push(version)}
          edit={() => retried.push('edit')}
          over={over}
        />
      </Current.Provider>,
    )
    return screen.getAllByRole('button').map(one => one.textContent)
  }
  const again = ['Retry from here · version 3', 'Retry with version 2', 'Edit and run again from here']
  expect(shown('operator', true, { errorType: 'HTTPResponseCodeError' })).toEqual([...again, t('copy.error')])
  for (const name of again) await userEvent.click(screen.getByRole('button', { name }))
  expect(retried).toEqual([undefined, 2, 'edit'])
  expect(document.querySelector('.err b')?.textContent).not.toBe(t('status.failed'))
  expect(shown('viewer', true, {})).toEqual([t('copy.error')])
  expect(document.querySelector('.err b')?.textContent).toBe(t('status.failed'))
  expect(shown('operator', false, {})).toEqual([t('copy.error')])
  expect(shown('operator', true, { rounds: [1] })).toEqual([t('copy.error')])
})
