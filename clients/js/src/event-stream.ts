import { ServiceError } from './errors.js'

/** One message of a stream of server-sent events. */
export interface Frame {
  /** Of its `id:` line. */
  id: string | undefined
  data: string
}

/** A reader of server-sent events, which takes a stream in pieces. Comments, and messages without data, are passed over. */
export class FrameReader {
  /** Of a line that has no end yet. */
  #rest = ''
  #endsInReturn = false
  #id: string | undefined
  #data: string[] = []

  /** The messages that a piece completes. */
  read(piece: string): Frame[] {
    if (piece === '') return []
    // The \n of an \r\n may come alone. Only the piece is searched: an event of many pieces takes no longer for each.
    const lines = (this.#endsInReturn && piece.startsWith('\n') ? piece.slice(1) : piece).split(/\r\n|\n|\r/)
    this.#endsInReturn = piece.endsWith('\r')
    lines[0] = this.#rest + lines[0]
    this.#rest = lines.pop() ?? ''
    return lines.flatMap(line => this.#line(line))
  }

  #line(line: string): Frame[] {
    if (line === '') {
      const frames = this.#data.length ? [{ id: this.#id, data: this.#data.join('\n') }] : []
      this.#id = undefined
      this.#data = []
      return frames
    }
    const colon = line.indexOf(':')
    const [field, value] = colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
    if (field === 'data') this.#data.push(value)
    else if (field === 'id') this.#id = value
    return []
  }
}

/**
 * The messages of a body as they come. Leaving the loop hangs up.
 *
 * @param idle Milliseconds without a byte, not even a ping, after which the stream is dead.
 */
export async function* frames(body: ReadableStream<Uint8Array>, idle: number): AsyncGenerator<Frame> {
  const reader = body.getReader()
  const [decoder, messages] = [new TextDecoder(), new FrameReader()]
  try {
    while (true) {
      const { done, value } = await within(reader.read(), idle)
      if (done) return
      yield* messages.read(decoder.decode(value, { stream: true }))
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new ServiceError(`the stream says nothing for ${milliseconds / 1000} s`, 0, 'no_server')
    timer = setTimeout(() => reject(error), milliseconds)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
