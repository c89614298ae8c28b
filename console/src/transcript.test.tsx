// @vitest-environment happy-dom

// What the page makes of two logs, of addresses and of graphs, line by line. `npx vitest run --update` rewrites
// `transcript.txt`; its difference is read before it is committed.
import { cleanup, render, screen } from '@testing-library/react'
import { createRef } from 'react'
import { expect, test, vi } from 'vitest'
import type { ChartPoint, GraphNode, RetryChoice, RunCoverage } from './api/types.ts'
import { covered } from './graph/coverage.ts'
import { folded } from './graph/folds.ts'
import { bounds, type DrawnEdge, type DrawnGraph, ends, flowNodes, labelOf, path } from './graph/fromApi.ts'
import { momentOf, runsOf } from './pages/charts/charted.ts'
import { detailsOf, fromHere, otherChoices, proposed, summaryOf } from './pages/run/retrying.ts'
import { EVERYTHING, filterOf, SPANS, STATUSES, spanOf } from './pages/runs/filter.ts'
import { programs } from './pages/workflow/callCode.ts'
import { tokens } from './parts/highlight.ts'
import { quotedCode } from './parts/quoted.ts'
import { StepTree } from './parts/StepTree.tsx'
import { axis } from './run/axis.ts'
import type { RunEvent } from './run/events.ts'
import { cause, exceptions, otherFailures } from './run/failures.ts'
import { advance, begin } from './run/fold.ts'
import { readLog } from './run/logs.ts'
import { above, rows } from './run/rows.ts'
import { density, elapsedOf, named, saidOf, shown, tookOf } from './run/selectors.ts'
import { skipped } from './run/skipped.ts'
import type { Execution, RunState } from './run/state.ts'
import { ago, bytes, count, duration, number, setLanguage } from './words/words.ts'

// Nothing is laid out here, so that no row would be in sight: all of them are.
vi.mock('@tanstack/react-virtual', () => ({
  useVirtualizer: ({ count: all }: { count: number }) => ({
    getVirtualItems: () => Array.from({ length: all }, (_, index) => ({ index, start: index * 28, key: index })),
    getTotalSize: () => all * 28,
    scrollToIndex: () => undefined,
    measure: () => undefined,
  }),
}))

const told = (value: unknown): string =>
  JSON.stringify(value, (_, each) =>
    each instanceof Map ? Object.fromEntries(each) : each instanceof Set ? [...each] : each,
  )

/** A run at a moment: itself, and its steps that are not like those of the moment before. */
function* moments(events: readonly RunEvent[], step: number): Generator<string> {
  let before = begin()
  for (let at = 0; at < events.length; at += step) {
    const run = advance(before, events.slice(at, at + step))
    const { executions, ordinals: _, text, ...rest } = run
    yield `@${run.position} ${shown(run.status)} ${elapsedOf(run, run.at).toFixed(3)} ${told(rest)}`
    yield `  text ${told([...text].map(([name, said]) => [name, said.length, said.slice(-20)]))}`
    // Of many rounds some.
    const isShown = (one: Execution) => one.rounds.length === 0 || one.ordinal % 40 === 7 || one.status === 'failed'
    for (const one of executions.filter(one => one !== before.executions[one.ordinal] && isShown(one))) {
      const { rounds, roundList, ...about } = one
      yield `  ${told(about)} ${tookOf(one, run.at).toFixed(3)} ${rounds.length} ${told(saidOf(run, one)?.length)}`
      if (roundList) yield `    ${told(roundList.slice(0, 3))} ${told(roundList.at(-1))} ${roundList.length}`
    }
    before = run
  }
}

/** The tree of a run's steps, all open. */
function* tree(run: RunState, now: number): Generator<string> {
  const open = new Set(run.executions.flatMap(one => [one.id, ...above(one)]))
  const list = rows(run, open, false)
  yield* list
    .map(row => `  ${' '.repeat(row.depth)}${row.kind} ${row.id}${'open' in row ? ` ${row.open}` : ''}`)
    .slice(0, 20)
  render(
    <StepTree
      rows={list.slice(0, 8)}
      picked={list[1]?.id ?? ''}
      pick={() => undefined}
      toggle={() => undefined}
      axis={axis(run, now)}
      now={now}
      playhead={run.startedAt}
      toInspector={() => undefined}
      tree={createRef<HTMLDivElement>()}
    />,
  )
  for (const item of screen.queryAllByRole('treeitem')) yield `  ${item.outerHTML}`
  cleanup()
}

const FAILED: RunEvent[] = [
  { event: 'run_started', id: 0, at: 100 },
  { event: 'node_started', id: 1, at: 101, execution_id: 'a', node_id: 'a', node_type: 'iteration', title: '各' },
  { event: 'container_started', id: 2, at: 101, execution_id: 'a', length: 3 },
  { event: 'round_started', id: 3, at: 101, execution_id: 'a', round: 0 },
  { event: 'round_started', id: 4, at: 101, execution_id: 'a', round: 1 },
  {
    ...{ event: 'node_started', id: 5, at: 102, execution_id: 'b', node_id: 'b', node_type: 'code', title: '' },
    rounds: [['a', 'a', 'iteration', 0]],
  },
  { event: 'node_attempted', id: 6, at: 103, execution_id: 'b', error: 'again', usage: { total_tokens: 2 } },
  {
    ...{ event: 'node_finished', id: 7, at: 104, execution_id: 'b', status: 'failed', error: 'why', elapsed: 2 },
    usage: { total_tokens: 5, total_price: '0.25' },
  },
  { event: 'round_finished', id: 8, at: 104, execution_id: 'a', round: 0, error: 'why', elapsed: 2 },
  { event: 'node_started', id: 9, at: 104, execution_id: 'c', node_id: 'c', node_type: 'llm', title: '語' },
  { event: 'text_chunk', id: 10, at: 105, selector: ['c', 'text'], text: 'half 🙂' },
  { event: 'reasoning_chunk', id: 11, at: 105.5, node_id: 'c', execution_id: 'c', text: '', said: 'half 🙂 more' },
  { event: 'run_recovered', id: 12, at: 110, elapsed: 5, in_flight: ['c', 'a'] },
  { event: 'node_started', id: 13, at: 111, execution_id: 'c', node_id: 'c', node_type: 'llm', title: '語' },
  { event: 'node_finished', id: 14, at: 112, execution_id: 'a', status: 'failed', error: 'why', elapsed: 11 },
  { event: 'run_finished', id: 15, at: 112, status: 'failed', error: 'why', elapsed: 7 },
] as unknown as RunEvent[]

function* runs(): Generator<string> {
  const edges = [
    { source: 'a', handle: 'source', target: 'x' },
    { source: 'x', handle: 'source', target: 'y' },
    { source: 'c', handle: 'true', target: 'y' },
  ]
  for (const [events, step] of [
    [readLog('human'), 160],
    [readLog('retry'), 10],
    [FAILED, 3],
  ] as const) {
    yield* moments(events, step)
    const run = advance(begin(), events)
    const part = advance(begin(), events, Math.floor(events.length / 2))
    yield `  skipped ${told(skipped(edges, run))} ${told(skipped(edges, part))}`
    yield `  cause ${told(cause(run)?.id)} ${told(otherFailures(run, cause(run)))} ${told(exceptions(run))}`
    yield `  density ${told(density(events, 6))} ${named(run, 'c')?.id}`
    const only = rows(run, new Set(), true)
    yield `  failed ${told(only.map(row => [row.kind, row.id, row.depth]))}`
    yield* tree(run, run.at)
    yield* tree(part, part.at + 5)
  }
}

const NODES = [
  { id: 'loop', type: 'loop', x: 100, y: 50, width: 600, height: 300, title: '輪' },
  { id: 'begin', type: 'loop-start', x: 120, y: 90, width: 40, height: 40, parent: 'loop' },
  { id: 'in', type: 'code', x: 200, y: 100, width: 240, height: 50, parent: 'loop' },
  { id: 'out', type: 'end', x: 800, y: 10, width: 240, height: 90 },
  { id: 'note', type: 'custom-note', x: -900, y: -900, width: 9, height: 9 },
] as unknown as GraphNode[]
const GRAPH: DrawnGraph = {
  nodes: NODES,
  edges: [
    { id: '1', source: 'begin', target: 'in', handle: 'source' },
    { id: '2', source: 'loop', target: 'out', handle: 'fail-branch' },
    { id: '3', source: 'in', target: 'out', handle: 'x', label: '条'.repeat(25), sign: '+' },
    { id: '4', source: 'in', target: 'nowhere', handle: 'x', label: '条'.repeat(24) },
  ] as DrawnEdge[],
}

function* graphs(): Generator<string> {
  const nodes = new Map(NODES.map(node => [node.id, node]))
  yield told([bounds(GRAPH), bounds({ nodes: [], edges: [] }), flowNodes(GRAPH)])
  for (const edge of GRAPH.edges) yield told([ends(edge, nodes), path(edge, nodes), labelOf(edge)])
  for (const shut of [[], ['loop'], ['in']]) {
    const { of, ...graph } = folded(GRAPH, new Set(shut))
    yield told([of('in'), of('out'), flowNodes(graph), graph.edges])
  }
  const coverage = {
    nodes: [
      { id: 'begin', title: 'B', times: 0, branches: [] },
      { id: 'loop', title: 'L', times: 1200, branches: [{ handle: 'fail-branch', times: 3 }] },
      { id: 'in', title: 'I', times: 5, branches: [{ handle: 'y', times: 5 }] },
      { id: 'out', title: 'O', times: 7, branches: [] },
    ],
  } as unknown as RunCoverage
  yield told(covered(coverage, [...GRAPH.edges, { id: '5', source: 'out', target: 'in', handle: '' }]))
}

const ADDRESS = {
  ...{ app: 'A', status: 'partial', q: '語', user: 'u', version: '3', conversation: 'c', error: 'E', failed_at: 'f' },
  ...{ retry: 'yes', model: 'm', took: '1.5', tokens: '7', cost: '0.1', from: '10', until: '20' },
}

function* words(): Generator<string> {
  const read = (said: Record<string, string>) => (name: string) => said[name] ?? ''
  yield told([filterOf(read(ADDRESS), 1e6), EVERYTHING, spanOf(read({})), spanOf(read({ t: '7d' }))])
  for (const t of Object.keys(SPANS)) yield told(filterOf(read({ t, took: 'x', cost: '0' }), 5_000_000.9))
  for (const { id } of STATUSES) yield told(filterOf(read({ status: id, t: 'all' }), 0))
  for (const language of ['en', 'ja'] as const) {
    setLanguage(language)
    yield told([0, 59.9, 60, 3599, 3600, 86_399, 86_400, 200_000].map(seconds => ago(1e6 - seconds, 1e6)))
    yield told([ago(2e6, 1e6), count(1234.5), number(2 / 3, 3), ...[0, 999, 1000, 9999, 10_000, 1e15].map(bytes)])
    yield told([0.00049, 0.0005, 0.9994, 0.9995, 9.994, 9.995, 59.94, 59.95, 3599.6, 86_399.5, 86_400].map(duration))
    const choice = (version: number, more: object) =>
      ({ version, why_not: null, is_current: false, taken_over: [], from_nodes: [], ...more }) as unknown as RetryChoice
    const choices = [
      choice(2, { is_current: true, why_not: 'it has no node x' }),
      choice(1, { taken_over: [{ title: '始' }, { title: 'b' }], from_nodes: [{ title: 'c' }] }),
    ]
    const [, second] = choices as [RetryChoice, RetryChoice]
    yield told([proposed(choices)?.version, proposed([]), summaryOf(second, choices), summaryOf(second, [second])])
    yield told([detailsOf(second, choices), otherChoices(choices), fromHere(choices), fromHere([second]), fromHere([])])
  }
  setLanguage('en')
  const point = (more: object) => ({ name: '名 &', ...more }) as unknown as ChartPoint
  yield told([
    ...[runsOf(point({ at: 100 }), 'time', '', 5, 60), runsOf(point({ app_id: 'a' }), 'app', 'b', 5, 60, 'failed')],
    ...[runsOf(point({ workflow_id: 'w' }), 'version', 'b', 5, 60), runsOf(point({}), 'model', '', 5, 60)],
    ...[runsOf(point({}), 'user', '', 5, 60), momentOf(86_400, 86_400)],
  ])
}

const CODE = [
  'code: "def main():\\n  return {\\"a\\": \\x41\\u65e5\\U0001f642}\\t\\\n   x\n\n  y"\ncode_language: python3',
  "  - code: 'it''s\n\n   two'\n",
  'template: "one line"',
  "code: 'a\n  b'",
  'title: "a\\nb"',
]

function* code(): Generator<string> {
  for (const text of CODE) yield told(quotedCode(text))
  const dsl =
    'a:\n  code_language: python3\n  code: |\n    x = 1 # 日\n    y = "<&>"\n  b: 2\n  - note: >-\n      free\nc: true\n'
  yield told([tokens(dsl, 'dsl'), tokens('x < 1', 'unknown'), tokens('echo "$a" # c', 'shell')])
  for (const response_mode of ['blocking', 'streaming'])
    yield told(programs({ url: 'http://x/v1', body: { inputs: { q: "it's 日" }, n: null, response_mode } }))
}

test('runs, graphs, words and code are shown as the transcript says', async () => {
  setLanguage('en')
  const lines = [runs, graphs, words, code].flatMap(section => [`# ${section.name}`, ...section()])
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('transcript.txt')
})
