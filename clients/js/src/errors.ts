/** A server refused a request, or did not answer. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'

  constructor(
    message: string,
    /** Of HTTP; 0 if there was no answer. */
    readonly status: number,
    /**
     * The server's word for it (`invalid_param`, …), or `no_server`: none answers; `not_service`: it answers, and has
     * no such API; `not_jikko`: only Jikko has the operation.
     */
    readonly code: string = 'failed',
    /** Seconds after which the server wants to be asked again, if it says so. */
    readonly retryAfter?: number,
  ) {
    super(message)
  }

  /** Whether the same request may be answered later. */
  get isPassing(): boolean {
    return [0, 408, 429, 502, 503, 504].includes(this.status) && this.code !== 'not_service'
  }

  /** Whether the server knows no such operation. */
  get isUnknownOperation(): boolean {
    return [404, 405].includes(this.status) && this.code === 'failed'
  }
}

export const onlyJikko = (what: string) =>
  new ServiceError(`\`${what}\` is of Jikko only, and this server is not one`, 501, 'not_jikko')

/** Refused before anything is sent. */
export const invalid = (why: string) => new ServiceError(why, 400, 'invalid_param')

export const notService = (kind: string) =>
  new ServiceError(`the answer is not ${kind}: is this the address of a Jikko or Dify?`, 502, 'not_service')

/** The error that a body of a refusal, or the last message of a stream, tells of. */
export function refusal(body: unknown, status: number, retryAfter?: number): ServiceError {
  const told = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  if (typeof told.message !== 'string') {
    const why = 'without a message of the Service API: is this the address of a Jikko or Dify?'
    return new ServiceError(`HTTP ${status} ${why}`, status, 'failed', retryAfter)
  }
  return new ServiceError(told.message, Number(told.status ?? status), String(told.code ?? 'failed'), retryAfter)
}
