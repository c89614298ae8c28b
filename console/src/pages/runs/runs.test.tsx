// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, renderHook, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { PropsWithChildren } from 'react'
import { afterEach, expect, test, vi } from 'vitest'
import type { Run, Session } from '../../api/types.ts'
import { Current } from '../../app/Shell.tsx'
import { setLanguage, t, tn } from '../../words/words.ts'
import { filterOf, useFilter } from './filter.ts'
import { RunsPage } from './RunsPage.tsx'
import { Selection } from './Selection.tsx'
import { useRuns } from './useRuns.ts'

afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
})

const Cached = ({ children }: PropsWithChildren) => (
  <QueryClientProvider client={new QueryClient()}>{children}</QueryClientProvider>
)

test('the list and its stream ask for the stretch of time that the address says, to its end', async () => {
  const asked: Record<string, string>[] = []
  vi.stubGlobal('fetch', async (address: string) => {
    const url = new URL(address, 'http://localhost')
    asked.push({ path: url.pathname.split('/').at(-1) ?? '', ...Object.fromEntries(url.searchParams) })
    return url.pathname.endsWith('stream') ? new Promise(() => undefined) : Response.json({ data: [] })
  })
  window.history.replaceState(null, '', '/console/?from=1000&until=2000&status=partial')

  const { unmount } = renderHook(() => useRuns(useFilter()), { wrapper: Cached })
  await waitFor(() => expect(asked.map(one => one.path)).toEqual(['runs', 'stream']))
  const stretch = { after: '1000', before: '2000', status: 'partial-succeeded' }
  expect(asked).toEqual([
    { path: 'runs', ...stretch, limit: '50' },
    { path: 'stream', ...stretch },
  ])
  unmount()
})

test('runs that wait, and one that is looked for by its id, are found whatever their age', () => {
  const filter = (said: Record<string, string>) => filterOf(name => said[name] ?? '', 100_000)
  const id = '01a21069-21d3-76c6-be60-4605da1417ed'
  expect(filter({ status: 'paused' })).toEqual({ status: 'paused' })
  expect(filter({ q: id })).toEqual({ keyword: id })
  expect(filter({ q: '語' })).toEqual({ keyword: '語', after: 13_600 })
  expect(filter({ status: 'paused', t: '1h' })).toEqual({ status: 'paused', after: 96_400 })
})

test('where no run fits, one button asks for all runs of all times', async () => {
  setLanguage('en')
  vi.stubGlobal('fetch', async (address: string) =>
    address.includes('stream') ? new Promise(() => undefined) : Response.json({ data: [] }),
  )
  window.history.replaceState(null, '', '/console/?from=1000&until=2000&status=failed&q=語')
  render(
    <Cached>
      <Current.Provider value={{ role: 'viewer' } as Session}>
        <RunsPage />
      </Current.Provider>
    </Cached>,
  )
  await userEvent.click(await screen.findByRole('button', { name: t('runs.all') }))
  expect(window.location.search).toBe('?t=all')
})

test('what is done to chosen runs goes on to its end when the list has them no more', async () => {
  setLanguage('en')
  const deleted: string[] = []
  let answer: () => void = () => undefined
  const held = new Promise<void>(resolve => {
    answer = resolve
  })
  vi.stubGlobal('fetch', async (address: string, { method }: { method: string }) => {
    if (method !== 'DELETE') return Response.json({ data: [] })
    await held
    deleted.push(address)
    return new Response(null, { status: 204 })
  })
  const runs = Array.from(
    { length: 9 },
    (_, n) => ({ id: `run-${n}`, status: 'failed', app: { id: 'a', name: '審査 🙂' } }) as Run,
  )
  const list = (runs: readonly Run[]) => (
    <Cached>
      <Selection
        runs={runs}
        chosen={new Set(chosen)}
        choose={() => undefined}
        filter={{}}
        total="9"
        more={false}
        after={() => undefined}
      />
    </Cached>
  )
  const chosen = runs.map(run => run.id)
  const { rerender } = render(list(runs))
  await userEvent.click(screen.getByRole('button', { name: t('act.delete.title') }))
  const begin = await waitFor(() => {
    const buttons = screen.getAllByRole('button', { name: t('act.delete.title') })
    expect(buttons).toHaveLength(2)
    return buttons[1] as HTMLElement
  })
  await userEvent.click(begin)
  rerender(list([]))
  answer()
  await screen.findByText(tn('act.done', 9, { all: '9' }))
  expect(deleted).toHaveLength(9)
})
