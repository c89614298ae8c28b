// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import type { AppDetail, Session } from '../../api/types.ts'
import { Current } from '../../app/Shell.tsx'
import { setLanguage, t } from '../../words/words.ts'
import { Talk } from './Talk.tsx'

const none = () => undefined

/** A chat whose server holds its answers. Returns the questions that came, and a function that refuses the first. */
function chat(conversation: string) {
  setLanguage('en')
  const asked: string[] = []
  const held: ((answer: Response) => void)[] = []
  const message = {
    id: 'm',
    run_id: null,
    query: 'また? 🙂',
    answer: '答',
    status: 'succeeded',
    files: [],
    answer_files: [],
    sources: [],
    tokens: 0,
    created_at: 1,
  }
  vi.stubGlobal('fetch', async (address: string, { method, body }: { method: string; body: string }) => {
    if (method !== 'POST') return Response.json({ data: address.includes('messages') ? [message] : [] })
    asked.push((JSON.parse(body) as { query: string }).query)
    return new Promise<Response>(answer => held.push(answer))
  })
  const app = { id: 'a', form: [], features: { suggested_questions: ['何? 🙂'] } } as unknown as AppDetail
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Current.Provider value={{ name: 'ada', role: 'operator' } as Session}>
        <Talk app={app} conversation={conversation} run="" setRun={none} look={none} began={none} />
      </Current.Provider>
    </QueryClientProvider>,
  )
  return { asked, refuse: () => held[0]?.(Response.json({ code: 'busy', message: '満員' }, { status: 503 })) }
}

test('a question that is clicked twice is sent once; one that was refused can be sent again', async () => {
  const { asked, refuse } = chat('')
  const question = screen.getByRole('button', { name: '何? 🙂' })
  await userEvent.dblClick(question)
  await waitFor(() => expect(asked).toEqual(['何? 🙂']))
  refuse()
  await screen.findByRole('alert')
  await userEvent.click(question)
  await waitFor(() => expect(asked).toEqual(['何? 🙂', '何? 🙂']))
})

test('“Ask again” that is clicked twice, and Enter meanwhile, send one question; the text stays', async () => {
  const { asked } = chat('c')
  await userEvent.dblClick(await screen.findByRole('button', { name: t('chat.again') }))
  const text = screen.getByRole<HTMLTextAreaElement>('textbox')
  await userEvent.type(text, '次{Enter}{Enter}')
  await waitFor(() => expect(asked).toEqual(['また? 🙂']))
  expect(text.value).toBe('次')
})
