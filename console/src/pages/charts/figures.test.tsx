// @vitest-environment happy-dom

import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import type { RunCharts } from '../../api/types.ts'
import { setLanguage, t } from '../../words/words.ts'
import { Figures } from './Figures.tsx'

test('tokens without a known price have a dash with its reason, no tokens cost nothing, and no runs have no cost', () => {
  setLanguage('ja')
  const point = { name: '図', failed: 0, p50: null, p95: null, first_p50: null, first_p95: null }
  const data = [
    { ...point, at: 0, runs: 2, tokens: 12, cost: {} },
    { ...point, at: 3600, runs: 2, tokens: 0, cost: {} },
    { ...point, at: 7200, runs: 0, tokens: 0, cost: {} },
    { ...point, at: 10800, runs: 0, tokens: 0, cost: { USD: '0.25' } },
  ]
  render(<Figures of={{ from: 0, step: 3600, runs: 4, looked_at: 4, data } as unknown as RunCharts} by="time" app="" />)
  const cells = screen.getAllByRole('row').map(row => row.lastElementChild as HTMLElement)
  expect(cells.map(cell => [cell.textContent, cell.title]).slice(1)).toEqual([
    ['–', t('cost.unknown')],
    ['$0.00', ''],
    ['', ''],
    ['$0.2500', ''],
  ])
})

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
