import { Link } from 'wouter'
import type { Run } from '../../api/types.ts'
import { AppIcon, Icon, Status } from '../../parts/Icon.tsx'
import { ending } from '../../words/codes.ts'
import { visible } from '../../words/visible.ts'
import { count, duration, listed, moment, recent, t, tn } from '../../words/words.ts'

/** What happened in a run, in one line: why it failed, who is waited for, what went wrong on the way, or its output. */
function Happened({ run }: { run: Run }) {
  if (run.error)
    return (
      <>{`${run.error.title ? `${visible(run.error.title)}: ` : ''}${visible(ending(run.status, run.error.message))}`}</>
    )
  if (run.waits_for.length > 0)
    return <span className="dim">{listed(run.waits_for.map(form => visible(form.title)))}</span>
  const wrong = exceptionWords(run)
  if (wrong) {
    return (
      <span className="dim">
        {run.status === 'succeeded' && (
          <span className="st st-partial">
            <Icon name="partial" small />
            <span className="sr">{t('runs.although')}</span>
          </span>
        )}{' '}
        {wrong}
      </span>
    )
  }
  return <span className="faint">{visible(run.preview ?? '')}</span>
}

function exceptionWords(run: Pick<Run, 'exceptions'>): string {
  const { tries, handled, rounds } = run.exceptions
  return listed([
    rounds > 0 && tn('wrong.rounds', rounds),
    handled > 0 && tn('wrong.handled', handled),
    tries > 0 && tn('wrong.tries', tries),
  ])
}

const took = (run: Run, now: number): string =>
  duration(run.finished_at || run.status === 'paused' ? run.elapsed : Math.max(run.elapsed, now - run.created_at))

export function RunRow({
  run,
  now,
  query = '',
  withApp = true,
  on,
  choose,
}: {
  run: Run
  now: number
  query?: string
  withApp?: boolean
  on?: boolean
  /** Have it chosen, or not any more. */
  choose?: ((id: string) => void) | undefined
}) {
  const to = `/runs/${run.id}${query}`
  const at = recent(run.created_at, now)
  const seconds = took(run, now)
  return (
    <tr>
      <td className="s">
        {choose && (
          <input
            type="checkbox"
            aria-label={t('act.choose', { id: run.id.slice(-4) })}
            checked={on ?? false}
            onChange={() => choose(run.id)}
          />
        )}
        <Link href={to} data-row={run.id}>
          <Status status={run.status} />
        </Link>
      </td>
      {withApp && (
        <td className="w">
          <span className="wf">
            <AppIcon icon={run.app.icon} size="tiny" />
            <span className="cut strong" dir="auto">
              {visible(run.app.name)}
            </span>
          </span>
        </td>
      )}
      <td className="n" dir="auto">
        <Happened run={run} />
      </td>
      <td className="num right dim hide">{run.tokens ? count(run.tokens) : ''}</td>
      <td className="dim hide">{visible(run.user)}</td>
      <td className={`num right ${withApp ? 'hide' : ''}`}>{seconds}</td>
      <td className="num right dim hide" title={moment(run.created_at)}>
        {at}
      </td>
      {withApp && (
        <>
          <td className="hide">
            <Link className="mono dim" href={to} tabIndex={-1} title={run.id}>
              {run.id.slice(-4)}
            </Link>
          </td>
          <td className="t only-small faint num">
            {[at, seconds, run.tokens ? tn('tokens', run.tokens) : '', visible(run.user)].filter(Boolean).join(' · ')}
          </td>
        </>
      )}
    </tr>
  )
}
