import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { errorText } from '../../parts/Panel.tsx'

/** Does something to a trigger or a delivery, and tells what came of it; lists of both are asked for again. */
export function useActing() {
  const cache = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [said, setSaid] = useState('')
  const [error, setError] = useState('')
  const act = async <T>(method: string, path: string, body: unknown, tell: (answer: T) => string = () => '') => {
    setBusy(true)
    setSaid('')
    setError('')
    try {
      setSaid(tell(await call<T>(method, path, body === undefined ? {} : { body })))
      await Promise.all(['triggers', 'deliveries'].map(name => cache.invalidateQueries({ queryKey: [name] })))
    } catch (failure) {
      setError(errorText(failure))
    } finally {
      setBusy(false)
    }
  }
  return { busy, said, error, act }
}
