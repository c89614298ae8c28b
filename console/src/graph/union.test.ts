import { expect, test } from 'vitest'
import type { AppDetail, Diff } from '../api/types.ts'
import { united } from './union.ts'

type Graph = AppDetail['graph']
const node = (id: string, x: number, y: number, more: object = {}): Graph['nodes'][number] => ({
  ...{ id, type: 'code', title: id, x, y, width: 100, height: 50, detail: '' },
  ...more,
})
const edge = (source: string, target: string): Graph['edges'][number] => ({
  ...{ id: `${source}-${target}`, source, handle: 'source', target },
})
const change = (id: string, change: Diff['nodes'][number]['change']) => ({
  id,
  title: id,
  type: '',
  change,
  fields: [],
})

test('what is gone stands where it stood, below what stands there now, and in its container if that has moved', () => {
  const box = { type: 'iteration', width: 400, height: 200 }
  const before: Graph = {
    nodes: [node('a', 0, 0), node('gone', 200, 0), node('box', 0, 300, box), node('inner', 50, 350, { parent: 'box' })],
    edges: [edge('a', 'gone'), edge('gone', 'box'), edge('a', 'box')],
  }
  const now: Graph = {
    nodes: [node('a', 0, 0), node('new', 210, 20), node('next', 190, 80), node('box', 1000, 300, box)],
    edges: [edge('a', 'new'), edge('a', 'box')],
  }
  const lost = (one: object) => ({ handle: 'source', change: 'removed' as const, ...one }) as Diff['edges'][number]
  const { graph, nodes, edges } = united(before, now, {
    nodes: [change('gone', 'removed'), change('inner', 'removed'), change('new', 'added'), change('a', 'changed')],
    edges: [
      lost({ source: 'a', target: 'gone' }),
      lost({ source: 'gone', target: 'box' }),
      { source: 'a', handle: 'source', target: 'new', change: 'added' },
    ],
    features: [],
  })
  const at = (id: string) => graph.nodes.filter(one => one.id === id).map(({ x, y }) => [x, y])
  expect(at('gone')).toEqual([[200, 154]])
  expect(at('inner')).toEqual([[1050, 350]])
  expect(at('box')).toEqual([[1000, 300]])
  expect(graph.edges.map(({ id, sign }) => [id, sign, edges.get(id)])).toEqual([
    ['a-new', '+', 'added'],
    ['a-box', undefined, undefined],
    ['−a-gone', '−', 'removed'],
    ['−gone-box', '−', 'removed'],
  ])
  expect(nodes.get('a')).toBe('changed')
})
