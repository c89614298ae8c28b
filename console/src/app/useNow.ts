import { useEffect, useState } from 'react'

/** Seconds since the Unix epoch by this machine's clock, four times a second while it is wanted. */
export function useNow(wanted: boolean, read: () => number = () => Date.now() / 1000): number {
  const [, again] = useState(0)
  useEffect(() => {
    if (!wanted) return
    const timer = setInterval(() => again(n => n + 1), 250)
    return () => clearInterval(timer)
  }, [wanted])
  return read()
}
