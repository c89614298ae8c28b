import { useMemo } from 'react'
import { Mark } from '../../parts/Icon.tsx'
import { Json, LongText } from '../../parts/Json.tsx'
import { type AgentEntry, agentEntries } from '../../run/agent.ts'
import type { Execution } from '../../run/state.ts'
import { visible } from '../../words/visible.ts'
import { duration, t } from '../../words/words.ts'
import { Cuts } from './Cuts.tsx'
import type { RunView } from './useRunView.ts'
import '../../../styles/calls.css'

const LOOK = { start: 'running', success: 'succeeded', error: 'failed' } as const

/** What an agent did, round for round: what its model said, and which tools it called with what and which answer. */
export function Calls({ view, execution }: { view: RunView; execution: Execution }) {
  const { events } = view.follower.log
  const { position } = view
  const list = useMemo(() => agentEntries(events, execution.id, position), [events, execution.id, position])
  if (list.length === 0) return <p className="dim">{t('calls.none')}</p>
  return (
    <ol className="calls">
      {list.map(one => (
        <Entry key={one.id} entry={one} view={view} />
      ))}
    </ol>
  )
}

function Entry({ entry, view }: { entry: AgentEntry; view: RunView }) {
  const { event } = entry
  const has = Object.keys(event.data ?? {}).length > 0 || (event.cut ?? []).length > 0
  return (
    <li>
      <div className="row">
        <Mark status={LOOK[event.status ?? 'success']} />
        <span className="cut grow strong" dir="auto">
          {visible(event.label)}
        </span>
        <span className="num dim">{duration(entry.took)}</span>
      </div>
      {event.error && (
        <p className="bad">
          <LongText text={event.error} />
        </p>
      )}
      {entry.inner.length > 0 ? (
        <ol className="calls">
          {entry.inner.map(one => (
            <Entry key={one.id} entry={one} view={view} />
          ))}
        </ol>
      ) : (
        has && (
          <>
            <Json value={event.data} />
            <Cuts told={event} below="/data" run={view} />
          </>
        )
      )}
    </li>
  )
}
