import { Link } from 'wouter'
import type { App } from '../api/types.ts'
import { duration } from '../words/words.ts'
import { look, statusWord } from './Icon.tsx'

/** The last runs as bars, the newest on the right; their height is how long each took beside the others. */
export function Ticks({ runs }: { runs: App['last_runs'] }) {
  const most = Math.max(0.001, ...runs.map(run => run.elapsed))
  return (
    <span className="ticks">
      {[...runs].reverse().map(run => (
        <Link
          key={run.id}
          href={`/runs/${run.id}`}
          className={`st-${look(run.status)}`}
          tabIndex={-1}
          aria-label={`${statusWord(run.status)} ${duration(run.elapsed)}`}
          title={`${statusWord(run.status)} · ${duration(run.elapsed)}`}
          style={{ height: `${Math.max(20, (run.elapsed / most) * 100)}%` }}
        />
      ))}
    </span>
  )
}
