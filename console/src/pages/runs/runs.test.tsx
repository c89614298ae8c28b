// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, renderHook, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { PropsWithChildren } from 'react'
import { afterEach, expect, test, vi } from 'vitest'
import type { Session } from '../../api/types.ts'
import { Current } from '../../app/Shell.tsx'
import { setLanguage, t } from '../../words/words.ts'
import { filterOf, useFilter } from './filter.ts'
import { RunsPage } from './RunsPage.tsx'
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
