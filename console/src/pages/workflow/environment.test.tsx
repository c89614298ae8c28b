// @vitest-environment happy-dom

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, test, vi } from 'vitest'
import type { AppDetail, EnvironmentVariable } from '../../api/types.ts'
import { setLanguage } from '../../words/words.ts'
import { Environment } from './Environment.tsx'

beforeEach(() => setLanguage('en'))
const app = { id: 'a1', version: { workflow_id: 'w1' } } as AppDetail
const variable = (name: string, more: Partial<EnvironmentVariable>) =>
  ({ name, type: 'string', value: '', is_set: false, ...more }) as EnvironmentVariable
const said: unknown[] = []

function shown(data: EnvironmentVariable[]) {
  said.length = 0
  vi.stubGlobal('fetch', async (address: string, { method, body }: { method?: string; body?: string } = {}) => {
    said.push(method === 'POST' ? JSON.parse(body ?? '') : new URL(address, 'http://localhost').pathname)
    return method === 'POST' && body?.includes('refused')
      ? Response.json({ code: 'invalid_param', message: 'it is not a number', status: 400 }, { status: 400 })
      : Response.json({ data })
  })
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  return render(
    <QueryClientProvider client={client}>
      <Environment app={app} />
    </QueryClientProvider>,
  )
}

test('an app without environment variables has no panel of them', async () => {
  const { container } = shown([])
  expect(screen.getByText('Environment')).toBeTruthy()
  await waitFor(() => expect(container.textContent).toBe(''))
})

test('a value is changed and taken back, a secret is never in its field, and a refusal is told', async () => {
  shown([
    variable('RATE', { type: 'number', value: 7, is_set: true }),
    variable('鍵', { type: 'secret', value: '***' }),
    variable('NOTE', { overruled_by: 'JIKKO_NOTE' }),
  ])
  const user = userEvent.setup()
  await user.click(await screen.findByRole('button', { name: 'Change RATE' }))
  const field = screen.getByLabelText('Value of RATE') as HTMLInputElement
  expect([field.value, field.type, field.inputMode]).toEqual(['7', 'text', 'decimal'])
  await user.clear(field)
  await user.type(field, '語8{Enter}')
  await waitFor(() => expect(screen.queryByLabelText('Value of RATE')).toBeNull())
  await user.click(screen.getByRole('button', { name: 'Reset RATE' }))
  await user.click(screen.getByRole('button', { name: 'Change 鍵' }))
  const secret = screen.getByLabelText('Value of 鍵') as HTMLInputElement
  expect([secret.value, secret.type]).toEqual(['', 'password'])
  await user.type(secret, 'refused{Enter}')
  expect((await screen.findByRole('alert')).textContent).toContain('it is not a number')
  expect(said.slice(1)).toEqual([{ values: { RATE: '語8' } }, { unset: ['RATE'] }, { values: { 鍵: 'refused' } }])
  await user.type(screen.getByLabelText('Value of 鍵'), '{Escape}')
  expect(screen.queryByLabelText('Value of 鍵')).toBeNull()
  expect(screen.getByText('Overridden by JIKKO_NOTE of the server')).toBeTruthy()
  expect(screen.getAllByText(/from the file|set here|^empty$/).map(one => one.textContent)).toEqual([
    'set here',
    'from the file',
    'empty',
  ])
  expect(screen.queryByRole('button', { name: 'Reset 鍵' })).toBeNull()
})
