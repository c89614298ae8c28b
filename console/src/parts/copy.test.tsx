// @vitest-environment happy-dom

import { act, fireEvent, render, screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { setLanguage } from '../words/words.ts'
import { Copy } from './copy.tsx'

test('a button that copied says so for a moment, in its name and its title', async () => {
  setLanguage('en')
  vi.useFakeTimers()
  const kept: string[] = []
  vi.stubGlobal('navigator', { clipboard: { writeText: async (text: string) => kept.push(text) } })
  render(<Copy text={() => '語 🙂'} label="Copy it" />)
  const button = screen.getByRole('button', { name: 'Copy it' })
  await act(async () => fireEvent.click(button))
  expect(kept).toEqual(['語 🙂'])
  expect([button.getAttribute('aria-label'), button.title]).toEqual(['Copied', 'Copied'])
  act(() => vi.advanceTimersByTime(1500))
  expect([button.getAttribute('aria-label'), button.title]).toEqual(['Copy it', 'Copy it'])
})
