// What a test of a part waits for hangs after a minute, not after the library's second: how busy the machine is decides nothing.
import { afterEach, vi } from 'vitest'

const library = 'document' in globalThis ? await import('@testing-library/react') : undefined

// Files share a document: nothing that one leaves is in the way of the next.
if (library) {
  library.configure({ asyncUtilTimeout: 60_000 })
  document.body.replaceChildren()
  localStorage.clear()
  sessionStorage.clear()
}

// Nor what a test leaves: parts leave the page as long as their server answers.
afterEach(() => {
  library?.cleanup()
  vi.unstubAllGlobals()
  vi.useRealTimers()
  if (library) sessionStorage.clear()
})
