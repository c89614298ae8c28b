// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, test, vi } from 'vitest'
import type { App, Session } from '../../api/types.ts'
import { Current } from '../../app/Shell.tsx'
import { setLanguage, t } from '../../words/words.ts'
import { Conversations } from './Conversations.tsx'

beforeEach(() => setLanguage('en'))
const apps = ['案内 🙂', 'Other'].map((name, n) => ({ id: `app-${n}`, name, day: { runs: 2 - n } }) as unknown as App)
const entry = (id: string, name: string, user = '花子') => ({ id, name, user, updated_at: 1000, messages: 2 })

/** The list of an app's conversations on a server with two pages of them; the addresses asked for, and gone to. */
function shown(pages: object[][], { role = 'operator', user = '' } = {}) {
  const asked: string[] = []
  const gone: string[] = []
  vi.stubGlobal('fetch', async (address: string) => {
    const url = new URL(address, 'http://localhost')
    asked.push(decodeURIComponent(url.search))
    const at = Number(url.searchParams.get('cursor') ?? 0)
    return Response.json({ data: pages[at], next: at + 1 < pages.length ? String(at + 1) : null })
  })
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Current.Provider value={{ role } as Session}>
        <Conversations apps={apps} id="app-0" user={user} conversation="c2" to={path => gone.push(path)} />
      </Current.Provider>
    </QueryClientProvider>,
  )
  return { asked, gone }
}

test('conversations are listed to their end, and each choice leads to its address', async () => {
  const { asked, gone } = shown([[entry('c1', '見積もり'), entry('c2', '')], [entry('c3', 'Third', 'taro')]])
  const user = userEvent.setup()
  await screen.findByText('見積もり')
  await user.click(screen.getByRole('button', { name: t('runs.older') }))
  await screen.findByText('Third')
  expect(screen.queryByRole('button', { name: t('runs.older') })).toBeNull()
  expect(asked.map(one => one.includes('cursor=1'))).toEqual([false, true])
  const links = screen.getAllByRole('link')
  expect(links.map(link => link.getAttribute('aria-current'))).toEqual([null, 'true', null])
  expect(links[1]?.textContent).toContain(t('chat.untitled'))
  expect(links[2]?.textContent).toContain('taro')
  expect([...document.querySelectorAll('option')].map(one => one.value)).toEqual(['app-0', 'app-1', '花子', 'taro'])
  await user.click(links[0] as HTMLElement)
  await user.selectOptions(screen.getByRole('combobox', { name: t('chat.app') }), 'app-1')
  await user.click(screen.getByRole('button', { name: t('chat.new') }))
  expect(gone).toEqual(['/chat/app-0/c1', '/chat/app-1', '/chat/app-0'])
})

test('the list of one user keeps to that user, and viewers begin none', async () => {
  const { gone } = shown([[entry('c1', '見積もり')]], { role: 'viewer', user: '花子 & co' })
  await userEvent.click(await screen.findByText('見積もり'))
  expect(gone).toEqual([`/chat/app-0/c1?${new URLSearchParams({ user: '花子 & co' })}`])
  expect(screen.queryByRole('button', { name: t('chat.new') })).toBeNull()
})

test('where there is none, the list says so, and of one user leads to all', async () => {
  shown([[]])
  await screen.findByText(t('chat.none'))
  cleanup()
  window.history.replaceState(null, '', '/console/?user=%E8%8A%B1')
  shown([[]], { user: '花' })
  await userEvent.click(await screen.findByRole('button', { name: t('chat.all_users') }))
  await waitFor(() => expect(window.location.search).toBe(''))
})
