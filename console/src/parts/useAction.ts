import { useEffect, useRef, useState } from 'react'
import { errorText } from './Panel.tsx'

/** Does what a button or a form is for: whether it is under way, and why the last time failed. A button cannot keep the
 * focus while it is disabled: it has it again at the end, unless something else has it by then. */
export function useAction() {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const focused = useRef<Element | null>(null)
  useEffect(() => {
    if (!busy && document.activeElement === document.body) (focused.current as HTMLElement | null)?.focus()
    if (!busy) focused.current = null
  }, [busy])
  const act = async (what: () => Promise<unknown>) => {
    focused.current = document.activeElement
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
