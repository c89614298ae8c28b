// @vitest-environment happy-dom

import { cleanup, render, screen } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import type { RunCharts } from '../../api/types.ts'
import { setLanguage } from '../../words/words.ts'
import { Figures } from './Figures.tsx'

afterEach(cleanup)

test('runs without a user have figures that lead nowhere, those of a user lead to the runs', () => {
  setLanguage('en')
  const point = { runs: 2, failed: 1, tokens: 0, cost: {}, p50: 1, p95: 1, first_p50: null, first_p95: null }
  const data = [
    { ...point, name: '' },
    { ...point, name: '利用者 🙂' },
  ]
  const charts = { from: 0, step: 3600, runs: 4, looked_at: 4, data } as unknown as RunCharts
  render(<Figures of={charts} by="user" app="a" />)
  expect(screen.getByText('–').closest('a')).toBe(null)
  const links = screen.getAllByRole<HTMLAnchorElement>('link')
  expect(links.map(link => new URLSearchParams(link.href.split('?')[1]).get('user'))).toEqual([
    '利用者 🙂',
    '利用者 🙂',
  ])
})
