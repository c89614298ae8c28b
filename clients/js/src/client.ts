import { invalid, notService, onlyJikko, refusal, ServiceError } from './errors.js'
import type { Frame } from './event-stream.js'
import { type FileInput, type RunEvent, STREAM_ENDS, type StreamMessage } from './messages.js'
import type { Answer, Method, PathWith, Rest, Schemas, Taken } from './operations.js'
import { type Asked, Service } from './service.js'

export interface ClientOptions {
  /** Of the server, with or without `/v1` at the end. */
  url: string
  /** The API key of the app, or of the datasets. Never give one to a browser that is not yours. */
  key: string
  /** The end user, to whom conversations, files and runs belong. */
  user?: string
  /** Seconds for which a server may be away before a stream, or a start, is given up. */
  patience?: number
  /** In place of the `fetch` of the platform. */
  fetch?: typeof globalThis.fetch
}

export interface Given {
  signal?: AbortSignal
}

export interface Once extends Given {
  /** Of Jikko: the same key and body are the same run, within 24 hours; sent again while the server is away. */
  idempotencyKey?: string
}

export interface Question {
  /** The conversation to go on with. */
  conversationId?: string
  inputs?: Record<string, unknown>
  files?: FileInput[]
}

type Inputs = Record<string, unknown>

/**
 * One app of a server, Jikko's or Dify's, seen through its API key, for one user.
 *
 * Answers are the bodies of the API. All methods throw a `ServiceError` if the server refuses or does not answer, and
 * the reason of their `signal` if it aborts. Methods that only Jikko has say so; elsewhere their error has the code
 * `not_jikko`.
 */
export class Client {
  readonly user: string
  readonly #service: Service

  constructor({ url, key, user = 'javascript', patience = 60, fetch = globalThis.fetch }: ClientOptions) {
    this.user = user
    this.#service = new Service(url, key, (...asked) => fetch(...asked), patience * 1000)
  }

  /** Any operation of the API, typed by its method and path: `request('GET', '/v1/datasets', { query: { limit: 5 } })`. */
  async request<M extends Method, P extends PathWith<M>>(
    method: M,
    path: P,
    ...[taken]: Rest<Taken<M, P>>
  ): Promise<Answer<M, P>> {
    const { path: parts, ...rest } = (taken ?? {}) as Partial<Asked> & { path?: Record<string, string> }
    const filled = String(path).replace(/\{(\w+)\}/g, (_, name: string) => part(parts?.[name] ?? ''))
    return (await this.#service.json({ ...rest, method, path: filled })) as Answer<M, P>
  }

  /** The features of the app, and the inputs that it asks for. */
  async parameters({ signal }: Given = {}): Promise<Schemas['Parameters']> {
    const asked = { method: 'GET', path: '/v1/parameters', query: { user: this.user }, signal }
    return (await this.#service.json(asked)) as Schemas['Parameters']
  }

  /** The name, description and mode of the app. */
  info({ signal }: Given = {}): Promise<Schemas['Info']> {
    return this.request('GET', '/v1/info', { signal })
  }

  /** Run the workflow, and wait for its end, or its pause. */
  async run(inputs: Inputs, once: Once & { files?: FileInput[] } = {}): Promise<Schemas['RunAnswer']> {
    const body = { inputs, files: once.files ?? [], response_mode: 'blocking', user: this.user }
    return (await this.#begun('/v1/workflows/run', body, once)) as Schemas['RunAnswer']
  }

  /**
   * Start the workflow, and return once the run is durable; `events` has the rest. Of Jikko only.
   *
   * While the server is away the start is sent again, with the same key, so that there is one run.
   */
  async start(inputs: Inputs, once: Once & { files?: FileInput[] } = {}): Promise<Schemas['RunAnswer']> {
    const body = { inputs, files: once.files ?? [], response_mode: 'async', user: this.user }
    return (await this.#started('start', '/v1/workflows/run', body, once)) as Schemas['RunAnswer']
  }

  /**
   * The log of a run as it is written, through pauses, until the run ends. Of Jikko only.
   *
   * A connection that is lost is opened again, and goes on behind the last event: none is missing, none comes twice.
   *
   * @param given.after The position of the last event that is known.
   */
  async *events(runId: string, { after = -1, signal }: Given & { after?: number } = {}): AsyncGenerator<RunEvent> {
    const attempts = this.#service.attempts(signal)
    const path = `/v1/workflows/run/${part(runId)}/events`
    while (true) {
      try {
        const headers = { Accept: 'text/event-stream', ...(after >= 0 ? { 'Last-Event-ID': String(after) } : {}) }
        let isOver = false
        const accepted = (answer: Response) => {
          isOver = answer.status === 204
          attempts.accepted()
        }
        for await (const frame of this.#service.frames({ method: 'GET', path, headers, signal }, accepted)) {
          const event = parsed(frame) as RunEvent | ErrorMessage
          if (frame.id === undefined) throw event.event === 'error' ? refusal(event, 500) : onlyJikko('events')
          attempts.begin()
          after = Number(frame.id)
          yield { ...(event as RunEvent), id: after }
          if (event.event === 'run_finished') return
        }
        if (isOver) return
        // The server ends, or the run went to another one.
        await attempts.next(new ServiceError(`the stream of run ${runId} ends without the run's end`, 0, 'no_server'))
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error
        const isForeign = error.isUnknownOperation || error.code === 'not_service'
        await attempts.next(isForeign ? onlyJikko('events') : error)
      }
    }
  }

  /** Run the workflow, and give Dify's messages as they come. A lost connection is an error: see `start`, `events`. */
  stream(inputs: Inputs, { files = [], signal }: Given & { files?: FileInput[] } = {}): AsyncGenerator<StreamMessage> {
    const body = { inputs, files, response_mode: 'streaming', user: this.user }
    return this.#messages({ method: 'POST', path: '/v1/workflows/run', body, signal })
  }

  /** A run as it is now. */
  result(runId: string, { signal }: Given = {}): Promise<Schemas['RunDetail']> {
    return this.request('GET', '/v1/workflows/run/{workflow_run_id}', { path: { workflow_run_id: runId }, signal })
  }

  /** Repeat a run from what failed, or from a node, and wait for its end. Of Jikko only. */
  async retry(runId: string, once: Once & { fromNode?: string; currentVersion?: boolean } = {}) {
    const from = once.fromNode ? { from_node_id: once.fromNode } : {}
    const body = { user: this.user, current_version: once.currentVersion ?? false, ...from }
    try {
      return (await this.#begun(`/v1/workflows/run/${part(runId)}/retry`, body, once)) as Schemas['RunAnswer']
    } catch (error) {
      throw error instanceof ServiceError && error.isUnknownOperation ? onlyJikko('retry') : error
    }
  }

  /** Stop a run of a workflow by the id of its task, which is that of the run at Jikko. */
  async stop(taskId: string, { signal }: Given = {}): Promise<void> {
    const body = { user: this.user }
    await this.request('POST', '/v1/workflows/tasks/{task_id}/stop', { path: { task_id: taskId }, body, signal })
  }

  /** Ask a chat app a question, and wait for its answer. */
  async chat(query: string, asked: Question & Once = {}): Promise<Schemas['ChatAnswer']> {
    return (await this.#begun(
      '/v1/chat-messages',
      this.#question(query, asked, 'blocking'),
      asked,
    )) as Schemas['ChatAnswer']
  }

  /** As `start`, of a question to a chat app: `events` of its `workflow_run_id` has the answer. Of Jikko only. */
  async startChat(query: string, asked: Question & Once = {}): Promise<Schemas['ChatAccepted']> {
    const body = this.#question(query, asked, 'async')
    return (await this.#started('startChat', '/v1/chat-messages', body, asked)) as Schemas['ChatAccepted']
  }

  /** Ask a chat app a question, and give Dify's messages as they come. See `rejoin`. */
  chatStream(query: string, asked: Question & Given = {}): AsyncGenerator<StreamMessage> {
    const body = this.#question(query, asked, 'streaming')
    return this.#messages({ method: 'POST', path: '/v1/chat-messages', body, signal: asked.signal })
  }

  /** Dify's messages of a run that goes on; the first ones repeat what happened so far. */
  rejoin(runId: string, { signal }: Given = {}): AsyncGenerator<StreamMessage> {
    const query = { user: this.user, include_state_snapshot: 'true' }
    return this.#messages({ method: 'GET', path: `/v1/workflow/${part(runId)}/events`, query, signal })
  }

  /** Stop an answer. */
  async stopChat(taskId: string, { signal }: Given = {}): Promise<void> {
    const body = { user: this.user }
    await this.request('POST', '/v1/chat-messages/{task_id}/stop', { path: { task_id: taskId }, body, signal })
  }

  /** A page of the user's conversations, the latest first. */
  conversations({ limit = 20, lastId = '', signal }: Given & { limit?: number; lastId?: string } = {}) {
    return this.request('GET', '/v1/conversations', { query: { user: this.user, limit, last_id: lastId }, signal })
  }

  /** A page of the messages of a conversation, the oldest first. */
  messages(
    conversationId: string,
    { limit = 20, firstId = '', signal }: Given & { limit?: number; firstId?: string } = {},
  ) {
    const query = { user: this.user, conversation_id: conversationId, limit, first_id: firstId }
    return this.request('GET', '/v1/messages', { query, signal })
  }

  /** Upload a file. Returns what stands for it in inputs, and in `files`. */
  async upload(file: Blob, { name, signal }: Given & { name?: string } = {}): Promise<FileInput> {
    const body = new FormData()
    body.set('user', this.user)
    body.set('file', file, name ?? (file instanceof File ? file.name : 'file'))
    const stored = await this.#service.json({ method: 'POST', path: '/v1/files/upload', body, signal })
    const { id, mime_type: media } = stored as Schemas['File']
    const kind = (media ?? '').split('/')[0]
    const type = kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'document'
    return { type, transfer_method: 'local_file', upload_file_id: id }
  }

  /** The content of a file: as outputs have it, with its `url`, or by the id of a file of a conversation. */
  download(file: { url?: unknown; remote_url?: unknown } | string, { signal }: Given = {}): Promise<Response> {
    if (typeof file !== 'string')
      return this.#service.send({ method: 'GET', path: String(file.url ?? file.remote_url), isFile: true, signal })
    const path = `/v1/files/${part(file)}/preview`
    return this.#service.send({ method: 'GET', path, query: { user: this.user }, signal })
  }

  /**
   * Submit a form that a run waits for.
   *
   * @param token `form_token` of the message `human_input_required`, or of `form` of the event `form_requested`.
   * @param action The id of the button.
   */
  async submitForm(token: string, inputs: Inputs, action: string, { signal }: Given = {}): Promise<void> {
    const body = { inputs, action, user: this.user }
    await this.request('POST', '/v1/form/human_input/{form_token}', { path: { form_token: token }, body, signal })
  }

  #question(query: string, { conversationId = '', inputs = {}, files = [] }: Question, mode: string) {
    return { query, inputs, files, conversation_id: conversationId, response_mode: mode, user: this.user }
  }

  #begun(path: string, body: object, { idempotencyKey, signal }: Once): Promise<unknown> {
    const asked = { method: 'POST', path, body, signal }
    if (!idempotencyKey) return this.#service.json(asked)
    return this.#service.surely({ ...asked, headers: keyed(idempotencyKey) }, false)
  }

  async #started(what: string, path: string, body: object, { idempotencyKey, signal }: Once): Promise<unknown> {
    const headers = keyed(idempotencyKey || random())
    try {
      return await this.#service.surely({ method: 'POST', path, body, headers, signal }, true)
    } catch (error) {
      const isOther = error instanceof ServiceError && error.status === 400 && error.message.includes('response_mode')
      throw isOther ? onlyJikko(what) : error
    }
  }

  async *#messages(asked: Asked): AsyncGenerator<StreamMessage> {
    let hasEnd = false
    for await (const frame of this.#service.frames(asked)) {
      const message = parsed(frame) as StreamMessage
      hasEnd ||= STREAM_ENDS.includes(message.event)
      yield message
    }
    if (!hasEnd) throw new ServiceError("the stream ends without the run's end", 0, 'no_server')
  }
}

interface ErrorMessage {
  event: 'error'
}

function parsed({ data }: Frame): unknown {
  let message: unknown
  try {
    message = JSON.parse(data)
  } catch {}
  if (typeof message !== 'object' || message === null) throw notService('a stream of JSON objects')
  return message
}

/** A part of a path. */
function part(text: string): string {
  if (/^\.\.?$/.test(text)) throw invalid(`"${text}" is no id: it would lead to another path`)
  return encodeURIComponent(text)
}

function keyed(key: string): Record<string, string> {
  if (/\p{Cc}/u.test(key)) throw invalid('an idempotencyKey has no line breaks, and no other control characters')
  // Keys are any text, and headers bytes.
  return { 'Idempotency-Key': String.fromCharCode(...new TextEncoder().encode(key)) }
}

function random(): string {
  // Not randomUUID: pages without TLS have none.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')
}
