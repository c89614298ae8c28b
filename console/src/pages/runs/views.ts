// Filters of the list that somebody keeps, by name, in this browser. Each is an address, so that a link shares it.
import { useState } from 'react'
import { useWho } from '../../app/Shell.tsx'
import { store, stored } from '../../app/storage.ts'

export type Views = Readonly<Record<string, string>>

function kept(key: string): Views {
  try {
    const found: unknown = JSON.parse(stored(key) ?? '{}')
    const entries = Object.entries(found ?? {}).filter(([, search]) => typeof search === 'string')
    return Object.fromEntries(entries) as Views
  } catch {
    return {}
  }
}

/** The views of who is signed in, and what keeps one (`undefined`: takes it away). */
export function useViews(): [views: Views, keep: (name: string, search: string | undefined) => void] {
  const key = `jikko.views.${useWho().name}`
  const [views, setViews] = useState(() => kept(key))
  const keep = (name: string, search: string | undefined) => {
    // Those of now: another window may have kept one.
    const { [name]: _old, ...others } = kept(key)
    const next = search === undefined ? others : { ...others, [name]: search }
    store(key, JSON.stringify(next))
    setViews(next)
  }
  return [views, keep]
}
