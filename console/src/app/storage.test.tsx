// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { act, cleanup, render, renderHook, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { PropsWithChildren } from 'react'
import { expect, test, vi } from 'vitest'
import type { AppDetail, Session } from '../api/types.ts'
import { Say } from '../pages/chat/Say.tsx'
import { useViews } from '../pages/runs/views.ts'
import { useSplit } from '../parts/Splitter.tsx'
import { language, setLanguage, t } from '../words/words.ts'
import { Current, Shell } from './Shell.tsx'

const session = { name: 'ada', role: 'operator', features: {} } as Session
const Seen = ({ children }: PropsWithChildren) => (
  <QueryClientProvider client={new QueryClient()}>
    <Current.Provider value={session}>{children}</Current.Provider>
  </QueryClientProvider>
)
const say = () =>
  render(
    <Say
      app={{ id: 'a', features: {} } as AppDetail}
      draft="jikko.draft.a.c"
      ask={async () => true}
      running={undefined}
      wrong=""
    />,
  )
const refused = () => {
  throw new DOMException('', 'QuotaExceededError')
}
const full = { getItem: () => null, setItem: refused, removeItem: refused }
const blocked = { getItem: refused, setItem: refused, removeItem: refused }

test.each([
  ['full', full],
  ['blocked', blocked],
])('in a browser whose storage is %s, views, sizes, language and drafts last as long as the page', async (_, kept) => {
  vi.stubGlobal('localStorage', kept)
  vi.stubGlobal('sessionStorage', kept)
  const views = renderHook(useViews, { wrapper: Seen })
  act(() => views.result.current[1]('昨日 🙂', '?t=24h'))
  expect(views.result.current[0]).toEqual({ '昨日 🙂': '?t=24h' })
  const split = renderHook(() => useSplit('inspector'))
  act(() => split.result.current.set(300))
  expect(split.result.current.size).toBe(300)
  setLanguage('ja')
  expect(language()).toBe('ja')
  setLanguage('en')
  say()
  const text = screen.getByRole<HTMLTextAreaElement>('textbox')
  await userEvent.type(text, '何? 🙂')
  expect(text.value).toBe('何? 🙂')
})

test('what was written and not sent is there again, until somebody signs out', async () => {
  vi.stubGlobal('fetch', async () => Response.json({}))
  say()
  await userEvent.type(screen.getByRole('textbox'), '秘密 🙂')
  cleanup()
  say()
  expect(screen.getByRole<HTMLTextAreaElement>('textbox').value).toBe('秘密 🙂')
  cleanup()
  sessionStorage.setItem('another', 'page')
  render(<Shell session={session}>{null}</Shell>, { wrapper: Seen })
  await userEvent.click(screen.getByRole('button', { name: t('sign_out') }))
  await waitFor(() => expect(Object.keys(sessionStorage)).toEqual(['another']))
  cleanup()
  say()
  expect(screen.getByRole<HTMLTextAreaElement>('textbox').value).toBe('')
})
