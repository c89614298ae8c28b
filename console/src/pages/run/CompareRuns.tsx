import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { get } from '../../api/client.ts'
import type { Run, RunDifferences } from '../../api/types.ts'
import { ChangedRow } from '../../parts/Changes.tsx'
import { Dialog } from '../../parts/Dialog.tsx'
import { Status } from '../../parts/Icon.tsx'
import { Empty, Loaded } from '../../parts/Panel.tsx'
import { cost, duration, t, tn, when } from '../../words/words.ts'

/** What a run did otherwise than an earlier one: status, values and steps of both. */
export default function CompareRuns(props: { pair: [earlier: string, later: string]; close: () => void }) {
  const [earlier, later] = props.pair
  const diff = useQuery({
    queryKey: ['run diff', earlier, later],
    queryFn: () => get<RunDifferences>(`runs/${later}/diff`, { to: earlier }),
  })
  return (
    <Dialog label={t('compare.runs')} close={props.close} className="wide" heading={null}>
      <div className="diff">
        <Loaded of={diff} rows={5}>
          {({ before, after, fields, nodes, more_nodes, same }) => (
            <>
              <p className="row wrap empty">
                <Which run={before} />→<Which run={after} />
              </p>
              {fields.length + nodes.length === 0 && <Empty>{t('compare.runs_same')}</Empty>}
              {fields.length > 0 && (
                <ChangedRow one={{ title: '', beside: t('runs.run'), change: 'changed', fields }} />
              )}
              {nodes.map((node, index) => (
                <ChangedRow
                  key={index}
                  one={{
                    ...node,
                    beside: [
                      node.rounds.map(round => t('round', { n: round + 1 })).join(', '),
                      node.seconds.map(seconds => duration(seconds)).join(' → '),
                    ]
                      .filter(Boolean)
                      .join(' · '),
                  }}
                />
              ))}
              <p className="empty faint">
                {more_nodes > 0 && `${tn('compare.more', more_nodes)} `}
                {tn('compare.steps_same', same)}
              </p>
            </>
          )}
        </Loaded>
      </div>
    </Dialog>
  )
}

const Which = ({ run }: { run: Run }) => (
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
)
