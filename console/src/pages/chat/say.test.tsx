// @vitest-environment happy-dom

import { render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test } from 'vitest'
import type { AppDetail } from '../../api/types.ts'
import { setLanguage, t } from '../../words/words.ts'
import { Say } from './Say.tsx'

test('Enter asks; what was taken leaves an empty field without files, and what was refused stays', async () => {
  setLanguage('en')
  const user = userEvent.setup()
  const asked: string[] = []
  let taken = false
  const ask = async (text: string) => {
    asked.push(text)
    return taken
  }
  const app = { id: 'a', features: { file_upload: { enabled: true } } } as unknown as AppDetail
  render(<Say app={app} draft="d" ask={ask} running={undefined} wrong="" />)
  const text = screen.getByRole<HTMLTextAreaElement>('textbox')
  const files = screen.getByRole('button', { name: t('chat.file') })
  await user.click(files)
  await user.type(text, ' 何? 🙂{Shift>}{Enter}{/Shift}  {Enter}')
  expect([asked, text.value, files.getAttribute('aria-pressed')]).toEqual([['何? 🙂'], ' 何? 🙂\n  ', 'true'])
  taken = true
  await user.type(text, '{Enter}')
  await waitFor(() => expect(text.value).toBe(''))
  expect([asked.length, files.getAttribute('aria-pressed')]).toEqual([2, 'false'])
})

test.each([
  [true, null],
  [false, '何? 🙂'],
])('what is taken (%s) after the page was left is no draft any more', async (taken, kept) => {
  let answer: (taken: boolean) => void = () => undefined
  const asked = new Promise<boolean>(resolve => {
    answer = resolve
  })
  const app = { id: 'a', features: {} } as unknown as AppDetail
  const { unmount } = render(<Say app={app} draft="d" ask={() => asked} running={undefined} wrong="" />)
  await userEvent.type(screen.getByRole('textbox'), '何? 🙂{Enter}')
  unmount()
  expect(sessionStorage.getItem('d')).toBe('何? 🙂')
  answer(taken)
  await asked
  await waitFor(() => expect(sessionStorage.getItem('d')).toBe(kept))
})
