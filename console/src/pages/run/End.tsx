import { Icon } from '../../parts/Icon.tsx'
import { isOver } from '../../run/selectors.ts'
import { t } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'

/** What stands at the end of the scrubber: live, paused or ended, and the way there from an earlier moment. */
export function End({ view }: { view: RunView }) {
  const over = isOver(view.latest)
  // Until the log is read, what is at its end is not known.
  if (view.follow.head < 0 || (view.atEnd && view.follow.phase === 'loading')) return null
  if (!view.atEnd) {
    return (
      <button type="button" className="btn small" onClick={() => view.go(view.follow.head)}>
        {t(over ? 'replay.to_end' : 'replay.to_live')}
      </button>
    )
  }
  const look = over
    ? ''
    : view.follow.phase === 'reconnecting'
      ? 'partial'
      : view.latest.status === 'paused'
        ? 'paused'
        : 'running'
  return (
    <span className={`btn small still ${look ? `st st-${look}` : 'dim'}`}>
      {look && <Icon name={look} />}
      {t(over ? 'ended' : look === 'partial' ? 'reconnecting' : look === 'paused' ? 'paused' : 'live')}
    </span>
  )
}
