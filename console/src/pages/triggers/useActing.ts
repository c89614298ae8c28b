import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { useAction } from '../../parts/useAction.ts'

/** Does something to a trigger or a delivery, and tells what came of it; lists of both are asked for again. */
export function useActing() {
  const cache = useQueryClient()
  const [said, setSaid] = useState('')
  const action = useAction()
  const act = <T>(method: string, path: string, body: unknown, tell: (answer: T) => string = () => '') =>
    action.act(async () => {
      setSaid('')
      setSaid(tell(await call<T>(method, path, body === undefined ? {} : { body })))
      await Promise.all(['triggers', 'deliveries'].map(name => cache.invalidateQueries({ queryKey: [name] })))
    })
  return { ...action, said, act }
}
