// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, renderHook, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { type PropsWithChildren, useRef } from 'react'
import { expect, test, vi } from 'vitest'
import type { Run, Session } from '../../api/types.ts'
import { Current } from '../../app/Shell.tsx'
import { setLanguage, t, tn } from '../../words/words.ts'
import { filterOf, useFilter } from './filter.ts'
import { RunsPage } from './RunsPage.tsx'
import { Selection } from './Selection.tsx'
import { useListFocus } from './useListFocus.ts'
import { useRuns } from './useRuns.ts'

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

test('where no run fits, one button looks for the text in errors, and one asks for all runs of all times', async () => {
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
  await userEvent.click(await screen.findByRole('button', { name: t('runs.in_errors') }))
  expect(window.location.search).toBe('?from=1000&until=2000&status=failed&error=%E8%AA%9E')
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

const row = (id: string, more: object = {}) =>
  ({
    id,
    status: 'succeeded',
    app: { id: 'a', name: '審査 🙂' },
    created_at: 1000,
    finished_at: 1002,
    elapsed: 2,
    tokens: 0,
    user: 'u',
    waits_for: [],
    exceptions: { tries: 0, handled: 0, rounds: 0 },
    ...more,
  }) as unknown as Run

/** The page of runs with a server that has these. */
function shown(runs: Run[], role = 'operator', search = '?t=all', all = runs.length): string[] {
  setLanguage('en')
  const asked: string[] = []
  vi.stubGlobal('fetch', async (address: string) => {
    if (address.includes('stream')) return new Promise(() => undefined)
    if (/runs(\?|$)/.test(address)) asked.push(address)
    return Response.json({ data: /runs(\?|$)/.test(address) ? runs : [], counts: { succeeded: all } })
  })
  window.history.replaceState(null, '', `/console/${search}`)
  render(
    <Cached>
      <Current.Provider value={{ role } as Session}>
        <RunsPage />
      </Current.Provider>
    </Cached>,
  )
  return asked
}

const focused = () => (document.activeElement as HTMLElement).dataset.row

test('keys move through the list, choose a run, look for one, and show new ones', async () => {
  const asked = shown([row('run-1'), row('run-2'), row('run-3')])
  await screen.findAllByText('審査 🙂')
  const user = userEvent.setup()
  const seen: (string | undefined)[] = []
  for (const key of ['j', 'j', 'j', 'j', 'k', '{Home}', 'k', '{End}']) {
    await user.keyboard(key)
    seen.push(focused())
  }
  expect(seen).toEqual(['run-1', 'run-2', 'run-3', 'run-3', 'run-2', 'run-1', 'run-1', 'run-3'])
  await user.keyboard('x')
  const boxes = () => screen.getAllByRole<HTMLInputElement>('checkbox').map(box => box.checked)
  expect(boxes()).toEqual([false, false, false, true])
  await user.keyboard('x')
  expect(boxes()).toEqual([false, false, false, false])
  const before = asked.length
  await user.keyboard('n')
  await waitFor(() => expect(asked.length).toBe(before + 1))
  await user.keyboard('/')
  expect(document.activeElement).toBe(screen.getAllByRole('searchbox')[0])
  await user.keyboard('j')
  expect((document.activeElement as HTMLInputElement).value).toBe('j')
})

test('a single run is a list, and viewers choose none', async () => {
  shown([row('run-1')], 'viewer')
  await screen.findByText('審査 🙂')
  expect(screen.queryByText(t('runs.none'))).toBeNull()
  expect(screen.queryAllByRole('checkbox')).toEqual([])
  await userEvent.keyboard('jx')
  expect(focused()).toBe('run-1')
})

test('a row says why a run failed, whom it waits for, or what went wrong on the way', async () => {
  shown([
    row('run-1', { status: 'failed', error: { title: '判定', message: 'だめ 🙅' } }),
    row('run-2', { status: 'paused', waits_for: [{ title: '承認' }, { title: 'Check' }] }),
    row('run-3', { exceptions: { tries: 2, handled: 1, rounds: 0 } }),
    row('run-4', { preview: '答え', tokens: 1200 }),
  ])
  await waitFor(() => expect(screen.getAllByRole('row')).toHaveLength(5))
  const said = [...document.querySelectorAll('td.n')].map(cell => cell.textContent?.trim())
  expect(said.slice(0, 2)).toEqual(['判定: だめ 🙅', '承認, Check'])
  expect(said[2]).toBe(`${t('runs.although')} ${tn('wrong.handled', 1)}, ${tn('wrong.tries', 2)}`)
  expect(said[3]).toBe('答え')
  expect(document.querySelectorAll('tbody tr')[3]?.textContent).toContain('1,200')
})

test('the counts are of what a searched text is found in, and unknown for a status that is not listed', async () => {
  const counts = () => [...document.querySelectorAll('.seg button')].map(one => one.textContent?.match(/[\d–]+$/)?.[0])
  const found = [row('run-1'), row('run-2', { status: 'failed' })]
  shown(found, 'operator', '?t=all&q=苺', 40)
  await screen.findAllByText('審査 🙂')
  expect(counts()).toEqual(['2', '0', '0', '1', '0', '1', '0'])
  expect(document.querySelector('.foot')?.textContent).toContain(t('runs.of', { n: '2', all: '2' }))
  expect(document.querySelector('.hist')).toBeNull()
  cleanup()
  shown(found.slice(1), 'operator', '?t=all&q=苺&status=failed', 40)
  await screen.findAllByText('審査 🙂')
  expect(new Set(counts())).toEqual(new Set(['–']))
  expect(document.querySelector('.foot')?.textContent).toContain(t('runs.of', { n: '1', all: '1' }))
})

function List({ rows, more }: { rows: string[]; more: boolean }) {
  const box = useRef<HTMLFieldSetElement>(null)
  return (
    <fieldset ref={box} tabIndex={-1} onFocus={useListFocus(box)}>
      {more && <button type="button">more</button>}
      {rows.map(row => (
        <a key={row} href="/" data-row={row}>
          {row}
        </a>
      ))}
    </fieldset>
  )
}

test('what leaves a live list leaves the focus in it: a row gives it to the next, a button to the list', () => {
  const { rerender } = render(<List rows={['a', 'b', 'c']} more />)
  expect(document.activeElement).toBe(document.body)
  screen.getByText('b').focus()
  rerender(<List rows={['a', 'c']} more />)
  expect(document.activeElement).toBe(screen.getByText('c'))
  screen.getByText('more').focus()
  rerender(<List rows={['a', 'c']} more={false} />)
  expect(document.activeElement).toBe(screen.getByRole('group'))
})
