// @vitest-environment happy-dom

import { cleanup, render } from '@testing-library/react'
import { expect, test } from 'vitest'
import type { Diff, Field } from '../api/types.ts'
import { setLanguage } from '../words/words.ts'
import Difference from './Difference.tsx'

const shown = (node: Field, feature: Field) => {
  const nodes: Diff['nodes'] = [{ id: 'n', title: '返金 🍓', type: 'code', change: 'changed', fields: [node] }]
  const diff = { nodes, edges: [], features: [feature] }
  const { container } = render(<Difference app="a" now={{ nodes: [], edges: [] }} diff={diff} problems={[]} />)
  return { text: container.textContent, values: [...container.querySelectorAll('.values')].map(one => one.textContent) }
}
const field = (path: string, before: unknown, after: unknown): Field => ({ path, before, after })

test('changes without any value say which scope shows the values', () => {
  const said = { en: 'Values need the scope apps:write.', ja: '値の表示にはスコープ apps:write が必要です。' } as const
  for (const language of ['en', 'ja'] as const) {
    setLanguage(language)
    const { text, values } = shown(field('/code', null, null), field('/name', null, null))
    expect(text).toContain(said[language])
    expect(text).toContain('/code')
    expect(values).toEqual([])
    cleanup()
  }
  setLanguage('en')
  const { text, values } = shown(field('/code', null, '苺'), field('/name', false, null))
  expect(text).not.toContain('scope')
  expect(values).toEqual(['苺', 'false'])
})
