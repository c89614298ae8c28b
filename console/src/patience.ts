// What a test of a part waits for hangs after a minute, not after the library's second: how busy the machine is decides nothing.
export {}

if ('document' in globalThis) {
  const { configure } = await import('@testing-library/react')
  configure({ asyncUtilTimeout: 60_000 })
  // Files share a document: nothing that one leaves is in the way of the next.
  document.body.replaceChildren()
  localStorage.clear()
  sessionStorage.clear()
}
