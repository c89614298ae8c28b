// What the browser keeps for the page. One that keeps nothing (storage that is full or blocked) shows the page all the
// same: whatever is stored is gone with the page.
type Place = 'localStorage' | 'sessionStorage'

export function stored(name: string, place: Place = 'localStorage'): string | null {
  try {
    return globalThis[place]?.getItem(name) ?? null
  } catch {
    return null
  }
}

/** Keeps a text under a name; `undefined` takes it away. */
export function store(name: string, text: string | undefined, place: Place = 'localStorage'): void {
  try {
    if (text === undefined) globalThis[place]?.removeItem(name)
    else globalThis[place]?.setItem(name, text)
  } catch {
    // Full, or blocked.
  }
}

/** Takes away what this tab keeps under names that begin so. */
export function clearTab(prefix: string): void {
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(prefix)) sessionStorage.removeItem(name)
  } catch {
    // Blocked: nothing was kept.
  }
}
