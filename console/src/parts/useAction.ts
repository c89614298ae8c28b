import { useState } from 'react'
import { errorText } from './Panel.tsx'

/** Does what a button or a form is for: whether it is under way, and why the last time failed. */
export function useAction() {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const act = async (what: () => Promise<unknown>) => {
    setBusy(true)
    setError(null)
    try {
      await what()
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return { busy, error, wrong: error === null ? '' : errorText(error), act }
}
