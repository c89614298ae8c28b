import { expect, test } from 'vitest'
import type { AppDetail } from '../api/types.ts'
import { labels } from './labels.ts'

/** Nodes in rows of 15, each with two branches that lead far. */
function dense(count: number): AppDetail['graph'] {
  const nodes = Array.from({ length: count }, (_, n) => ({
    id: `${n}`,
    type: 'if-else',
    x: (n % 15) * 300,
    y: Math.floor(n / 15) * 160,
    width: 240,
    height: 90,
  }))
  const edges = nodes.flatMap((_, n) =>
    [7, 31].map(far => ({
      id: `${n} ${far}`,
      source: `${n}`,
      target: `${(n + far) % count}`,
      handle: 'x',
      label: `条件 ${n} 🙂`,
    })),
  )
  return { nodes, edges } as unknown as AppDetail['graph']
}

test.each([13, 40])('names of a dense graph are compared to what is near alone, with letters of %i', size => {
  const abs = Math.abs
  let calls = 0
  Math.abs = n => {
    calls += 1
    return abs(n)
  }
  try {
    expect(labels(dense(300), size)).toHaveLength(600)
  } finally {
    Math.abs = abs
  }
  expect(calls).toBeLessThan(60_000_000)
})
