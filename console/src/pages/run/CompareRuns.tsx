import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { Link } from 'wouter'
import { get } from '../../api/client.ts'
import { useApp, useDiff } from '../../api/queries.ts'
import type { Run, RunDifferences } from '../../api/types.ts'
import { Graph } from '../../graph/Graph.tsx'
import { LETTERS, nameOf, paths } from '../../graph/paths.ts'
import { GraphStates } from '../../graph/states.ts'
import { united } from '../../graph/union.ts'
import { ChangedRow } from '../../parts/Changes.tsx'
import { Dialog } from '../../parts/Dialog.tsx'
import { Status } from '../../parts/Icon.tsx'
import { Boundary, Empty, Loaded } from '../../parts/Panel.tsx'
import type { Follower } from '../../run/follow.ts'
import { lastOf, shown, tookOf, valuesOf } from '../../run/selectors.ts'
import type { RunState } from '../../run/state.ts'
import { visible } from '../../words/visible.ts'
import { cost, duration, listed, t, tn, when } from '../../words/words.ts'
import { type RunView, useFollower } from './useRunView.ts'
import { Input, Output, type Told } from './Values.tsx'

type Own = Pick<RunView, 'runId' | 'follower'>
type Pair = readonly [earlier: string, later: string]

/** What a run did otherwise than an earlier one: both paths over one graph, status, values and steps. */
export default function CompareRuns({ pair, view, close }: { pair: Pair; view: Own; close: () => void }) {
  const [earlier, later] = pair
  const diff = useQuery({
    queryKey: ['run diff', earlier, later],
    queryFn: () => get<RunDifferences>(`runs/${later}/diff`, { to: earlier }),
  })
  return (
    <Dialog label={t('compare.runs')} close={close} className="wide full" heading={null}>
      <Loaded of={diff} rows={12}>
        {data => <Compared found={data} view={view} />}
      </Loaded>
    </Dialog>
  )
}

/** `row`: the difference that was chosen, if it was one. */
type Picked = { readonly node: string; readonly rounds?: readonly number[] | undefined; readonly row?: number }

function Compared({ found, view }: { found: RunDifferences; view: Own }) {
  const { before, after, fields, nodes, more_nodes, same } = found
  const other = useFollower(before.id === view.runId ? after.id : before.id)
  const sides = [before, after].map(run => (run.id === view.runId ? view.follower : other)) as [Follower, Follower]
  const runs = sides.map(useShown) as [RunState, RunState]
  // What differs first is looked at first.
  const [picked, pick] = useState<Picked | undefined>(nodes[0] && { ...atRow(nodes[0]), row: 0 })
  const [brought, bring] = useState(picked)
  const list = useRef<HTMLElement>(null)
  useEffect(() => list.current?.querySelector('button')?.focus(), [])
  const choose = (row: number) => {
    const next = { ...atRow(nodes[row] as Difference), row }
    pick(next)
    bring(next)
  }
  return (
    <div className="beside runs">
      <Paths
        found={found}
        runs={runs}
        picked={picked?.node ?? ''}
        brought={brought}
        pick={node => {
          const row = nodes.findIndex(one => one.node_id === node)
          pick(row < 0 ? { node } : { ...atRow(nodes[row] as Difference), row })
        }}
      />
      <section className="diff" aria-label={t('compare.what')} tabIndex={0} ref={list}>
        <div className="empty">
          <Which run={before} n={0} />
          <Which run={after} n={1} />
        </div>
        {fields.length + nodes.length === 0 && <Empty>{t('compare.runs_same')}</Empty>}
        {nodes.map((node, row) => (
          <ChangedRow
            key={row}
            {...node}
            beside={[
              listed(node.rounds.map(round => t('round', { n: round + 1 }))),
              node.seconds.map(seconds => duration(seconds)).join(' → '),
            ]
              .filter(Boolean)
              .join(' · ')}
            picked={picked?.row === row}
            pick={() => choose(row)}
          />
        ))}
        {fields.length > 0 && <ChangedRow title="" beside={t('runs.run')} change="changed" fields={fields} />}
        <p className="empty faint">
          {more_nodes > 0 && `${tn('compare.more', more_nodes)} `}
          {same > 0 && tn('compare.steps_same', same)}
        </p>
      </section>
      {picked && <Values sides={sides} runs={runs} ids={[before.id, after.id]} picked={picked} />}
    </div>
  )
}

type Difference = RunDifferences['nodes'][number]
const atRow = ({ node_id: node, rounds }: Difference): Picked => ({ node, rounds })

const useShown = (follower: Follower): RunState => useSyncExternalStore(follower.subscribe, follower.snapshot).run

/** Both paths over the graph of their version, or over that of both. */
function Paths(props: {
  found: RunDifferences
  runs: [RunState, RunState]
  picked: string
  brought: Picked | undefined
  pick: (node: string) => void
}) {
  const { before, after, nodes } = props.found
  const { id } = after.app
  const differs = before.version !== after.version
  const [old, now] = [useApp(differs ? id : '', String(before.version)), useApp(id, String(after.version))]
  const diff = useDiff(id, differs ? String(before.version) : '', String(after.version))
  const graph = now.data?.graph
  const one = useMemo(() => graph && united(old.data?.graph, graph, diff.data), [old.data, graph, diff.data])
  const drawn = useMemo(
    () => one && paths(one, props.runs, new Set(nodes.map(node => node.node_id))),
    [one, props.runs[0], props.runs[1], nodes],
  )
  const states = useMemo(() => new GraphStates(), [])
  useEffect(() => states.tell(drawn?.looks), [states, drawn])
  if (before.app.id !== id || !drawn || (differs && !(old.data && diff.data) && !(old.error || diff.error))) return null
  return (
    <Graph app={id} graph={drawn.graph} states={states} picked={props.picked} pick={props.pick} shown={props.brought} />
  )
}

/** What a step read and gave in both runs, beside each other. */
function Values({
  sides,
  runs,
  ids,
  picked,
}: {
  sides: [Follower, Follower]
  runs: [RunState, RunState]
  ids: [string, string]
  picked: Picked
}) {
  const { node } = picked
  const rounds = picked.rounds ?? (lastOf(runs[1], node) ?? lastOf(runs[0], node))?.rounds.map(round => round[3]) ?? []
  return (
    <section className="both" aria-label={t('inspector.values')} tabIndex={0}>
      {runs.map((run, n) => {
        const execution = run.executions.findLast(
          one => one.nodeId === node && one.rounds.map(round => round[3]).join() === rounds.join(),
        )
        const told = execution && (valuesOf(sides[n]?.log.events ?? [], execution) as Told | undefined)
        const side = { runId: ids[n] ?? '', run }
        return (
          <Boundary key={`${n} ${execution?.id}`}>
            <section aria-label={nameOf(n)}>
              <h3>
                {nameOf(n)} · {visible(execution?.title || node)}
              </h3>
              {execution ? (
                <>
                  <p className="row wrap">
                    <Status status={shown(execution.status)} />
                    <span className="num dim">{duration(tookOf(execution, run.at))}</span>
                    {execution.tokens > 0 && <span className="num dim">{tn('tokens', execution.tokens)}</span>}
                  </p>
                  <h4>{t('tab.input')}</h4>
                  <Input told={told} run={side} />
                  <h4>{t('tab.output')}</h4>
                  <Output told={told} view={side} execution={execution} />
                </>
              ) : (
                <p className="dim">{t('inspector.not_run')}</p>
              )}
            </section>
          </Boundary>
        )
      })}
    </section>
  )
}

const Which = ({ run, n }: { run: Run; n: number }) => (
  <p className="row">
    <b title={nameOf(n)}>{LETTERS[n]}</b>
    <Link className="row" href={`/runs/${run.id}`} title={run.id}>
      <Status status={run.status} />
      <span className="dim num">
        {[
          t('version', { n: run.version }),
          when(run.created_at),
          duration(run.elapsed),
          ...(run.tokens > 0 ? [tn('tokens', run.tokens), cost(run.tokens, run.price ?? 0)] : []),
        ].join(' · ')}
      </span>
    </Link>
  </p>
)
