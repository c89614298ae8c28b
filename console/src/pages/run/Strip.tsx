import type { ReactNode } from 'react'
import type { RunDetail } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { LongText } from '../../parts/Json.tsx'
import { cause, exceptions, otherFailures } from '../../run/failures.ts'
import { find } from '../../run/fold.ts'
import { isOver } from '../../run/selectors.ts'
import type { Execution } from '../../run/state.ts'
import { ending } from '../../words/codes.ts'
import { visible } from '../../words/visible.ts'
import { clock, count, listed, t, tn, when } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'

type Props = { view: RunView; run: RunDetail | undefined; show: (execution: Execution) => void }

/** One line that says what matters most: an earlier moment, why it failed, who is waited for, what was left out. */
export function Strip({ view, run, show }: Props) {
  const may = useMay()
  const state = view.run
  const go = (execution: Execution | undefined, label: string, main = false): ReactNode =>
    execution && (
      <button type="button" className={`btn small ${main ? 'main' : ''}`} onClick={() => show(execution)}>
        {label}
      </button>
    )
  if (view.follow.phase === 'reconnecting') {
    return <Line look="partial">{t('lost', { at: clock(view.follow.lostAt ?? Date.now() / 1000) })}</Line>
  }
  if (!view.atEnd) {
    return (
      <Line
        look="live"
        icon="clock"
        action={
          <button type="button" className="btn small" onClick={() => view.go(view.follow.head)}>
            {t(isOver(view.latest) ? 'replay.end' : 'replay.now')}
          </button>
        }
      >
        <b>{t('replay.at', { at: clock(state.at, true) })}</b>,{' '}
        {t('replay.event', { n: count(view.position + 1), all: count(view.follow.head + 1) })}
      </Line>
    )
  }
  if (state.status === 'failed') {
    const why = cause(state)
    const { failed, handled } = otherFailures(state, why)
    const others = [failed > 0 && tn('strip.more', failed), handled > 0 && tn('strip.more_handled', handled)]
    return (
      <Line look="failed" aside={listed(others)} action={go(why, t('strip.node'))}>
        {why ? (
          <>
            <b>{visible(why.title || why.type)}</b>{' '}
            {why.attempts.length > 0 ? tn('strip.failed_tries', why.attempts.length + 1) : t('strip.failed')}:{' '}
            <LongText text={why.error ?? ''} />
          </>
        ) : (
          <LongText text={state.error ?? t('strip.no_cause')} />
        )}
      </Line>
    )
  }
  if (state.status === 'stopped' && state.error) {
    return (
      <Line look="stopped">
        <LongText text={ending(state.status, state.error)} />
      </Line>
    )
  }
  const form = state.forms[0]
  if (state.status === 'paused' && form) {
    const asked = find(state, form.executionId)
    return (
      <Line
        look="paused"
        aside={state.forms.length > 1 ? tn('strip.forms', state.forms.length - 1) : ''}
        action={go(asked, t(may ? 'strip.answer' : 'strip.form'), may)}
      >
        <b>{visible(form.title)}</b> {t('strip.waits', { at: clock(asked?.startedAt ?? state.at) })}
        {form.expiresAt > 0 && ` · ${t('strip.until', { at: when(form.expiresAt) })}`}
      </Line>
    )
  }
  if (isOver(state)) {
    const { rounds, all, tries, handled } = exceptions(state)
    const first = state.executions[state.failures[0] ?? -1]
    if (rounds > 0 && first) {
      return (
        <Line look="partial" aside={tries > 0 ? tn('wrong.tries', tries) : ''} action={go(first, t('strip.round'))}>
          <b>{tn('strip.rounds', rounds, { all: count(all) })}</b>: <LongText text={first.error ?? ''} />
        </Line>
      )
    }
    if (handled > 0 && first) {
      return (
        <Line look="partial" action={go(first, t('strip.node'))}>
          <b>{visible(first.title || first.type)}</b> {t('strip.handled')}: <LongText text={first.error ?? ''} />
        </Line>
      )
    }
    if (state.status === 'partial-succeeded' && tries > 0) {
      const tried = state.executions.find(one => one.attempts.length > 0)
      return (
        <Line look="partial" action={go(tried, t('strip.node'))}>
          <b>{visible(tried?.title || (tried?.type ?? ''))}</b> {tn('strip.tries', (tried?.attempts.length ?? 0) + 1)}
        </Line>
      )
    }
  }
  if (view.follow.head < 0 && run?.error) {
    return (
      <Line look="failed">
        <b>{visible(run.error.title ?? '')}</b> <LongText text={run.error.message} />
      </Line>
    )
  }
  return null
}

function Line(props: { look: string; icon?: string; children: ReactNode; aside?: string; action?: ReactNode }) {
  return (
    <div className={`strip st-${props.look}`}>
      <Icon name={props.icon ?? props.look} />
      <span className="grow">{props.children}</span>
      {props.aside && <span className="dim">{props.aside}</span>}
      {props.action}
    </div>
  )
}
