import type { ServiceError } from './errors.js'

const [FIRST_WAIT, LONGEST_WAIT] = [100, 5_000]

/** The waits between attempts, each twice as long as the one before, until patience ends. */
export class Attempts {
  #next = FIRST_WAIT
  #since = performance.now()
  #accepted: number | undefined

  /** @param patience Milliseconds for which a server may be away. */
  constructor(
    readonly patience: number,
    readonly signal: AbortSignal | undefined,
  ) {}

  /** The server is there. */
  begin(): void {
    this.#next = FIRST_WAIT
    this.#since = performance.now()
    this.#accepted = undefined
  }

  /** A stream began, which may have no event for long. */
  accepted(): void {
    this.#accepted = performance.now()
  }

  /** Wait for the next attempt. Throws `error` if no further one is worth it, and the reason of the signal. */
  async next(error: ServiceError): Promise<void> {
    const now = performance.now()
    if (this.#accepted !== undefined && now - this.#accepted > LONGEST_WAIT) this.begin()
    this.#accepted = undefined
    if (!error.isPassing || now - this.#since > this.patience) throw error
    const wait = Math.max(this.#next * (0.5 + Math.random() / 2), 1000 * (error.retryAfter ?? 0))
    this.#next = Math.min(2 * this.#next, LONGEST_WAIT)
    if (now + wait - this.#since > this.patience + LONGEST_WAIT) throw error
    await sleep(wait, this.signal)
  }
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', leave)
      resolve()
    }, milliseconds)
    if (signal?.aborted) leave()
    else signal?.addEventListener('abort', leave, { once: true })
  })
}
