import { Attempts } from './attempts.js'
import { invalid, notService, refusal, ServiceError } from './errors.js'
import { type Frame, frames } from './event-stream.js'

const IDLE = 45_000
/** For which one attempt to start a run may take: its beginning is written, and nothing else. */
const START = 45_000

/** One request: what `fetch` takes. */
export interface Asked {
  method: string
  /** What follows the address of the server; it begins with `/`. */
  path: string
  /** `path` is that of a file, or a whole address. It may be of another server, which is not to see the key. */
  isFile?: boolean
  query?: Record<string, unknown> | undefined
  /** JSON, or a form. */
  body?: unknown
  headers?: Record<string, string> | undefined
  signal?: AbortSignal | undefined
}

/** Requests to one server with one key. */
export class Service {
  readonly #url: string

  constructor(
    url: string,
    readonly key: string,
    readonly fetch: typeof globalThis.fetch,
    readonly patience: number,
  ) {
    this.#url = url.replace(/\/+$/, '').replace(/\/v1$/, '')
  }

  attempts(signal: AbortSignal | undefined): Attempts {
    return new Attempts(this.patience, signal)
  }

  /** The answer to a request, which is not a refusal. */
  async send(asked: Asked): Promise<Response> {
    const hasKey = !asked.isFile && this.key !== ''
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(asked.query ?? {}))
      for (const each of Array.isArray(value) ? value : [value])
        if (each !== undefined && each !== null && each !== '') query.append(name, String(each))
    const address = `${this.#addressed(asked)}${query.size ? `?${query}` : ''}`
    const isJson = asked.body !== undefined && !(asked.body instanceof FormData)
    const headers = new Headers({
      ...(hasKey ? { Authorization: `Bearer ${this.key}` } : {}),
      ...(isJson ? { 'Content-Type': 'application/json' } : {}),
      ...asked.headers,
    })
    const body = isJson ? JSON.stringify(asked.body) : (asked.body as FormData | undefined)
    const options = { method: asked.method, headers, body: body ?? null, credentials: 'omit' as const }
    // Neither the key nor what is sent goes where an answer points.
    const redirect = hasKey ? ('manual' as const) : ('follow' as const)
    const sent = this.fetch(address, { ...options, redirect, signal: asked.signal ?? null })
    const answer = await noAnswer(sent, asked, address)
    if (answer.ok) return answer
    // Browsers do not say which of them it is.
    const status = answer.type === 'opaqueredirect' ? 307 : answer.status
    if (status >= 300 && status < 400)
      throw new ServiceError(
        'the server redirects, which the key does not follow: give its own address as `url`',
        status,
      )
    const wait = Number(answer.headers.get('Retry-After') ?? Number.NaN)
    const told = await answer.json().catch(() => asked.signal?.throwIfAborted())
    throw refusal(told, status, Number.isFinite(wait) ? wait : undefined)
  }

  #addressed({ path, isFile }: Asked): string {
    // Without the / the path would go on with the name of the host.
    if (path.startsWith('/')) return this.#url + path
    if (isFile && /^https?:\/\//i.test(path)) return path
    throw invalid(isFile ? 'the address of a file begins with / or http://' : 'a path begins with /')
  }

  /** The JSON value that an operation answers with; `undefined` if there is none. */
  async json(asked: Asked): Promise<unknown> {
    const answer = await this.send(asked)
    const text = await noAnswer(answer.text(), asked, this.#url)
    if (text === '') return undefined
    try {
      return JSON.parse(text)
    } catch {
      throw notService('JSON')
    }
  }

  /** As `json`, of a request that is one however often it is sent: sent again while the server is away. */
  async surely(asked: Asked, isShort: boolean): Promise<unknown> {
    // How long a run takes says nothing of the server: it is away since the first failure.
    let attempts = isShort ? this.attempts(asked.signal) : undefined
    while (true) {
      const late = isShort ? AbortSignal.timeout(START) : undefined
      const signals = [asked.signal, late].filter(signal => signal !== undefined)
      try {
        return await this.json({ ...asked, signal: AbortSignal.any(signals) })
      } catch (error) {
        asked.signal?.throwIfAborted()
        attempts ??= this.attempts(asked.signal)
        if (late?.aborted) await attempts.next(new ServiceError(`no answer within ${START / 1000} s`, 0, 'no_server'))
        else if (error instanceof ServiceError) await attempts.next(error)
        else throw error
      }
    }
  }

  /** The messages of a stream: of one request, so that a lost connection is an error. */
  async *frames(asked: Asked, accepted: (answer: Response) => void = () => {}): AsyncGenerator<Frame> {
    const hangUp = new AbortController()
    const signal = AbortSignal.any([hangUp.signal, ...(asked.signal ? [asked.signal] : [])])
    try {
      const answer = await this.send({ ...asked, signal })
      accepted(answer)
      if (answer.status === 204 || !answer.body) return
      if (!answer.headers.get('Content-Type')?.includes('event-stream')) throw notService('a stream')
      const messages = frames(answer.body, IDLE)
      while (true) {
        const { done, value } = await noAnswer(messages.next(), asked, this.#url)
        if (done) return
        yield value
      }
    } finally {
      hangUp.abort()
    }
  }
}

/** What a promise of `fetch` gives. Whatever breaks a connection is a `ServiceError`, and an abort stays what it is. */
async function noAnswer<T>(promise: Promise<T>, asked: Asked, address: string): Promise<T> {
  try {
    return await promise
  } catch (error) {
    asked.signal?.throwIfAborted()
    if (error instanceof ServiceError) throw error
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    // Behind its host the address of a file has what opens it.
    const { origin } = new URL(address, 'http://localhost')
    throw new ServiceError(`${origin}: the server does not answer: ${(cause as Error).message}`, 0, 'no_server')
  }
}
