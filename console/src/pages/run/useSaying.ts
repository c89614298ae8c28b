import { useEffect, useRef } from 'react'
import { announce } from '../../app/announce.tsx'
import { statusWord } from '../../parts/Icon.tsx'
import { shown } from '../../run/selectors.ts'
import { tn } from '../../words/words.ts'
import type { RunView } from './useRunView.ts'

/** Tells changes of status and failures to those who listen. */
export function useSaying(view: RunView): void {
  const { latest } = view
  const before = useRef<{ status: string; failures: number } | null>(null)
  useEffect(() => {
    if (view.follow.phase === 'loading') return
    const old = before.current
    before.current = { status: latest.status, failures: latest.failures.length }
    if (!old) return
    for (const ordinal of latest.failures.slice(old.failures, old.failures + 3)) {
      const execution = latest.executions[ordinal]
      if (execution) announce(`${execution.title || execution.type}: ${statusWord(shown(execution.status))}`)
    }
    if (latest.status !== old.status)
      announce(tn('said.status', latest.executions.length, { status: statusWord(shown(latest.status)) }))
  }, [latest, view.follow.phase])
}
