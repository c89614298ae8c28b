import { useQuery } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { Link } from 'wouter'
import { get, isGone } from '../../api/client.ts'
import { written } from '../../api/json.ts'
import { useMessages } from '../../api/queries.ts'
import type { ChatVariable } from '../../api/types.ts'
import { Kind, Mark, Status } from '../../parts/Icon.tsx'
import { Json } from '../../parts/Json.tsx'
import { Boundary, Empty, Failure } from '../../parts/Panel.tsx'
import { axis } from '../../run/axis.ts'
import { elapsedOf, isOver, shown, tookOf } from '../../run/selectors.ts'
import { visible } from '../../words/visible.ts'
import { duration, t, tn } from '../../words/words.ts'
import { useFollower } from '../run/useRunView.ts'

/** The run behind an answer: its steps, what it was told, and the variables of the conversation. */
export function Behind({ run, conversation }: { run: string; conversation: string }) {
  return (
    <aside className="behind" aria-label={t('chat.behind')}>
      <Boundary key={run}>{run ? <Steps run={run} /> : <Empty>{t('chat.behind.none')}</Empty>}</Boundary>
      {conversation && (
        <Boundary>
          <Conversation conversation={conversation} run={run} />
        </Boundary>
      )}
    </aside>
  )
}

function Steps({ run: id }: { run: string }) {
  const follower = useFollower(id)
  const { run, phase, error } = useSyncExternalStore(follower.subscribe, follower.snapshot)
  const now = isOver(run) ? run.at : follower.now()
  const on = axis(run, now)
  const start = follower.log.events[0]
  if (phase === 'failed')
    return isGone(error) ? (
      <Empty>{t('chat.run_gone')}</Empty>
    ) : (
      <Failure error={error} again={() => void follower.start()} />
    )
  return (
    <>
      <header>
        <div className="row">
          <h2 className="grow">{t('chat.behind')}</h2>
          <Link className="btn small" href={`/runs/${id}`}>
            {t('runs.open')}
          </Link>
        </div>
        <div className="row wrap">
          <Status status={shown(run.status)} />
          <span className="dim num">{duration(elapsedOf(run, now))}</span>
          {run.tokens > 0 && <span className="dim num">{tn('tokens', run.tokens)}</span>}
        </div>
      </header>
      <div className="steprows">
        {run.executions
          .filter(one => one.rounds.length === 0)
          .map(one => {
            const from = on.x(one.startedAt)
            const until = on.x(one.startedAt + tookOf(one, now))
            return (
              <div key={one.id} className="st-row" style={{ ['--d' as string]: one.rounds.length }}>
                <Mark status={shown(one.status)} />
                <Kind type={one.type} />
                <span className="cut">{visible(one.title || one.type)}</span>
                <span className="w" aria-hidden="true">
                  <i
                    className={`st-${shown(one.status)}`}
                    style={{ left: `${from}%`, width: `${Math.max(0, until - from)}%` }}
                  />
                </span>
                <span className="num">{duration(one.elapsed)}</span>
              </div>
            )
          })}
      </div>
      {start?.event === 'run_started' && (
        <div className="vars">
          <h2>{t('chat.given')}</h2>
          <Json value={given(start.inputs, start.system)} />
        </div>
      )}
    </>
  )
}

/** Inputs of the run, without the ids that say where it belongs. */
const given = (
  inputs: Readonly<Record<string, unknown>> = {},
  system: object | undefined,
): Record<string, unknown> => ({
  ...inputs,
  ...Object.fromEntries(
    Object.entries(system ?? {})
      .filter(([name, value]) => !name.endsWith('_id') && !(Array.isArray(value) && value.length === 0))
      .map(([name, value]) => [`sys.${name}`, value]),
  ),
})

/** The variables of the conversation as they were before and after the answer that is shown. */
function Conversation({ conversation, run }: { conversation: string; run: string }) {
  const message = useMessages(conversation).data?.find(one => one.run_id === run)
  const running = message?.status === 'running'
  const { data } = useQuery({
    // Whenever its run is seen to have moved on, they are asked for again.
    queryKey: ['variables', conversation, message?.id, message?.status],
    queryFn: () =>
      get<{ data: ChatVariable[] }>(`conversations/${conversation}/variables`, { after_message: message?.id }),
    enabled: message !== undefined,
    refetchInterval: running ? 2000 : false,
  })
  if (!data || data.data.length === 0) return null
  return (
    <div className="vars">
      <h2>{t('chat.variables')}</h2>
      {data.data.map(one => (
        <div key={one.name}>
          <Json value={{ [one.name]: one.after }} />
          {written(one.before) !== written(one.after) && (
            <div className="faint small">
              {t('chat.was')} <Json value={one.before} />
            </div>
          )}
        </div>
      ))}
    </div>
  )
}
