// @vitest-environment happy-dom

import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { beforeEach, expect, test } from 'vitest'
import type { Variable } from '../api/types.ts'
import { setLanguage, t } from '../words/words.ts'
import { Field, fieldOf, sendable } from './Fields.tsx'
import { Kept } from './Kept.tsx'

beforeEach(() => setLanguage('en'))
const variable = (name: string, type: string) => ({ name, label: name, type, required: true }) as Variable
const file = { transfer_method: 'local_file', upload_file_id: 'u', type: 'document', name: '規程.md', size: 3 }

/** A form with one field, and what it holds. */
function Form(props: { type: string; given?: unknown; required?: boolean; sent: (value: unknown) => void }) {
  const { type, given, required = true, sent } = props
  const [value, set] = useState(given)
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        sent(value)
      }}
    >
      <Field app="a" variable={{ ...variable('question', type), required }} value={value} set={set} />
      <button type="submit">Send</button>
    </form>
  )
}

test.each(['text-input', 'paragraph'])('a %s has what is typed, and nothing once it is emptied', async type => {
  const user = userEvent.setup()
  const sent: unknown[] = []
  render(<Form type={type} sent={value => sent.push(value)} />)
  await user.type(screen.getByRole('textbox'), '休暇 🙂')
  await user.click(screen.getByRole('button', { name: 'Send' }))
  expect(sent).toEqual(['休暇 🙂'])
  await user.clear(screen.getByRole('textbox'))
  screen.getByRole('textbox').removeAttribute('required')
  await user.click(screen.getByRole('button', { name: 'Send' }))
  expect(sent).toEqual(['休暇 🙂', undefined])
})

test.each([
  ['text-input', ''],
  ['paragraph', ''],
  ['json_object', undefined],
  ['number', undefined],
])('a %s that may be left out and is emptied is %j', async (type, empty) => {
  const user = userEvent.setup()
  const sent: unknown[] = []
  render(<Form type={type} given="7" required={false} sent={value => sent.push(value)} />)
  await user.clear(screen.getByRole(type === 'number' ? 'spinbutton' : 'textbox'))
  await user.click(screen.getByRole('button', { name: 'Send' }))
  expect(sent).toEqual([empty])
})

test('a file that is removed from a form is gone, and the form is not sent', async () => {
  const user = userEvent.setup()
  const sent: unknown[] = []
  render(<Form type="file" given={file} sent={value => sent.push(value)} />)
  await user.click(screen.getByRole('button', { name: 'Remove 規程.md' }))
  expect(screen.queryByText('規程.md')).toBeNull()
  expect(sent).toEqual([])
})

test('what is left out of a form keeps nothing behind it from being sent', () => {
  const fields = [variable('first', 'text-input'), variable('second', 'json_object'), variable('third', 'file')]
  const { name: _name, size: _size, ...taken } = file
  expect(sendable(fields, { second: '{"語": 1}', third: file })).toEqual({ second: { 語: 1 }, third: taken })
})

test('what is wrong with a field stands at it: a text that is no JSON, a value that is missing', () => {
  const fields = [variable('first', 'json_object'), variable('語', 'json_object')]
  expect(() => sendable(fields, { first: '{}', 語: '{' })).toThrow(/^語: /)
  expect(fieldOf('語: Unexpected end (line 1, first column)', [variable('line', 'number'), ...fields])).toBe('語')
  const missing = '入力が正しくありません（q is required in input form）'
  render(<Field app="a" variable={variable('q', 'text-input')} value="" set={() => undefined} wrong={missing} />)
  expect(screen.getByRole('alert').textContent).toBe(t('form.required'))
})

test('a file that a run kept is downloaded by a link with its name', () => {
  render(<Kept file={{ dify_model_identity: '__dify__file__', related_id: 'f1', filename: '規程.md', size: 3 }} />)
  const link = screen.getByRole('link', { name: 'Download 規程.md' })
  expect(link.getAttribute('href')).toMatch(/files\/f1\?as_attachment=true$/)
})

test.each([
  ['text-input', { max_length: 5 }, '2 of 5 characters'],
  ['paragraph', { max_length: 100_000 }, '2 of 100,000 characters'],
  ['paragraph', { max_length: 100_001 }, ''],
  ['number', { max_length: 5 }, ''],
  ['file-list', { max_length: 3 }, 'at most 3'],
  ['file', { max_length: 3 }, ''],
  ['text-input', { required: false }, 'optional'],
])('a %s of %j has the hint %j', (type, more, hint) => {
  const given = type.startsWith('file') ? undefined : type === 'number' ? 12 : '猫🐈'
  render(<Field app="a" variable={{ ...variable('q', type), ...more }} value={given} set={() => undefined} />)
  expect([...document.querySelectorAll('.hint')].map(one => one.textContent).join()).toBe(hint)
})
