import { Icon } from '../../parts/Icon.tsx'
import { Failure } from '../../parts/Panel.tsx'
import { count, t } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'

/** How far a long log has been read; at very many events it stops and asks. */
export function Reading({ view }: { view: RunView }) {
  const { phase, head, end, error } = view.follow
  if (phase === 'failed') return <Failure error={error} again={() => void view.follower.start()} />
  if (phase === 'held') {
    return (
      <div className="strip st-live">
        <Icon name="clock" />
        <span className="grow">{t('reading.held', { n: count(head + 1), all: count(end + 1) })}</span>
        <button type="button" className="btn small" onClick={() => void view.follower.start(Number.POSITIVE_INFINITY)}>
          {t('reading.all')}
        </button>
      </div>
    )
  }
  if (phase !== 'loading' || head >= end || head < 1999) return null
  return (
    <div className="strip st-live" role="status">
      <Icon name="running" className="st-running" />
      <span className="grow">{t('reading', { n: count(head + 1), all: count(end + 1) })}</span>
    </div>
  )
}
