// @vitest-environment happy-dom

import { fireEvent, render, screen } from '@testing-library/react'
import { beforeEach, expect, test, vi } from 'vitest'
import type { App } from '../api/types.ts'
import { setLanguage, t } from '../words/words.ts'
import { AppChooser, Chooser } from './Chooser.tsx'

beforeEach(() => setLanguage('en'))
const options = (count: number) =>
  Array.from({ length: count }, (_, n) => [`id-${n}`, n === 20 ? '返金 Refunds 🙂' : `Version ${n}`] as const)

test('few are a list; of many a part of the name finds one, by keyboard alone', () => {
  const set = vi.fn()
  const few = render(<Chooser label="Version" value="id-1" options={options(12)} set={set} />)
  fireEvent.change(screen.getByRole('combobox', { name: 'Version' }), { target: { value: 'id-2' } })
  expect(set.mock.lastCall).toEqual(['id-2'])
  few.unmount()

  render(<Chooser label="Version" value="id-7" options={options(300)} set={set} />)
  const button = screen.getByRole('button', { name: 'Version: Version 7' })
  button.focus()
  fireEvent.keyDown(button, { key: 'f', ctrlKey: true })
  fireEvent.keyDown(button, { key: 'Tab' })
  expect(screen.queryByRole('combobox')).toBe(null)
  fireEvent.keyDown(button, { key: 'ArrowDown' })
  const chosen = () => screen.getByRole('option', { selected: true }).textContent
  expect(chosen()).toBe('Version 7✓')
  expect(screen.getAllByRole('option')).toHaveLength(200)
  const field = screen.getByRole('combobox', { name: 'Version' })
  expect(document.activeElement).toBe(field)
  fireEvent.change(field, { target: { value: ' rEfUnd' } })
  expect(screen.getAllByRole('option').map(one => one.textContent)).toEqual(['返金 Refunds 🙂'])
  fireEvent.change(field, { target: { value: 'none' } })
  fireEvent.keyDown(field, { key: 'Enter' })
  expect(screen.getByText(t('jump.none'))).toBeTruthy()
  fireEvent.change(field, { target: { value: '28' } })
  fireEvent.keyDown(field, { key: 'ArrowDown' })
  expect(chosen()).toBe('Version 128')
  fireEvent.keyDown(field, { key: 'Enter', isComposing: true })
  expect(set.mock.lastCall).toEqual(['id-2'])
  fireEvent.keyDown(field, { key: 'Enter' })
  expect(set.mock.lastCall).toEqual(['id-128'])
  expect(screen.queryByRole('combobox')).toBe(null)
  fireEvent.keyDown(button, { key: '返' })
  expect(screen.getAllByRole('option').map(one => one.textContent)).toEqual(['返金 Refunds 🙂'])
})

test('workflows stand in the order of their use, and stay there when that changes', () => {
  const app = (id: string, runs: number, last_at?: number) =>
    ({ id, name: id, day: { runs }, last_at }) as unknown as App
  const chooser = (apps: App[]) => <AppChooser label="Workflow" any="All" apps={apps} value="" set={() => undefined} />
  const { rerender } = render(chooser([]))
  const names = () => screen.getAllByRole('option').map(one => one.textContent)
  rerender(chooser([app('a', 0), app('b', 5), app('名 🙂', 9), app('c', 0, 7)]))
  expect(names()).toEqual(['All', '名 🙂', 'b', 'c', 'a'])
  rerender(chooser([app('a', 99), app('b', 5), app('new', 100), app('名 🙂', 9), app('c', 0, 7)]))
  expect(names()).toEqual(['All', '名 🙂', 'b', 'c', 'a', 'new'])
})
