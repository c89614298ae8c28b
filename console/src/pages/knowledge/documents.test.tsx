// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import type { Dataset, Session } from '../../api/types.ts'
import { Current } from '../../app/Shell.tsx'
import { setLanguage } from '../../words/words.ts'
import { Documents } from './Documents.tsx'

test('of a document that is being indexed it is told how many of its segments are done', async () => {
  setLanguage('en')
  const document = { enabled: true, archived: false, words: 9, hits: 0, segments: 1200 }
  const data = [
    { ...document, id: 'd1', name: '規程.md', status: 'indexing', segments_done: 40 },
    { ...document, id: 'd2', name: 'b.md', status: 'completed', segments_done: 1200 },
  ]
  vi.stubGlobal('fetch', async () => Response.json({ data, total: 2 }))
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Current.Provider value={{ role: 'viewer' } as Session}>
        <Documents set={{ id: 's', provider: 'vendor' } as Dataset} />
      </Current.Provider>
    </QueryClientProvider>,
  )
  const row = async (name: string) => (await screen.findByText(name)).closest('tr')!.textContent
  expect(await row('規程.md')).toContain('40 of 1,200')
  expect(await row('b.md')).toMatch(/1,200/)
  expect(await row('b.md')).not.toContain('of')
})
