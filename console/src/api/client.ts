// Requests to the console's API. Addresses are relative to where the page's own files are, so that any prefix of a
// proxy in front of the server is right.

import { parsed, written } from './json.ts'

const here = import.meta.url
/** The path of the console with its slash, `/console/` unless a proxy has put it elsewhere. */
export const base = import.meta.env.PROD && here.startsWith('http') ? new URL('..', here).pathname : '/console/'

/** What the server answered instead of what was asked for; `status` 0: it could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** Whether what was asked for is not there, or not any more. */
export const isGone = (error: unknown): boolean => error instanceof ApiError && error.status === 404

export type Query = Record<string, string | number | boolean | undefined | null>
export type Options = {
  query?: Query
  body?: unknown
  form?: FormData
  file?: Blob
  signal?: AbortSignal
  headers?: Record<string, string>
}

let shared = ''
/** Has requests for a run go by the link that shares it, since then the only one that the page shows; `''` for none. */
export const showShared = (run: string): void => {
  shared = run
}
/** Whether the page shows one run by its link: nothing else can be asked for. */
export const isShared = (): boolean => shared !== ''

const signedOut = new Set<() => void>()
/** Calls a function whenever the server says that this page is not signed in. Gives what ends that. */
export function onSignedOut(then: () => void): () => void {
  signedOut.add(then)
  return () => signedOut.delete(then)
}

export function address(path: string, query: Query = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value))
  }
  const text = search.toString()
  return `${base}api/${shared ? path.replace(/^runs\//, 'shared/') : path}${text ? `?${text}` : ''}`
}

/** A request with what this console sends with each; raises `ApiError` for any answer that is no success. */
export async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const headers = new Headers(options.headers)
  if (method !== 'GET') headers.set('X-Jikko-Console', '1')
  if (options.body !== undefined) headers.set('Content-Type', 'application/json')
  let answer: Response
  try {
    answer = await fetch(address(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      body: options.form ?? options.file ?? (options.body === undefined ? null : written(options.body)),
      ...(options.signal ? { signal: options.signal } : {}),
    })
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new ApiError(0, 'not_reached', '')
  }
  if (answer.ok) return answer
  const told = await answer.json().catch(() => ({}))
  if (answer.status === 401 && path !== 'session') for (const then of signedOut) then()
  throw new ApiError(answer.status, told.code ?? String(answer.status), told.message ?? '')
}

export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const answer = await request(method, path, options)
  if (answer.status === 204) return undefined as T
  const text = await answer.text()
  return (text ? parsed(text) : undefined) as T
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  call<T>('GET', path, { ...(query ? { query } : {}), ...(signal ? { signal } : {}) })
export const post = <T>(path: string, body: unknown = {}, options: Options = {}): Promise<T> =>
  call<T>('POST', path, { ...options, body })
export const remove = (path: string): Promise<void> => call<void>('DELETE', path)
