import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, type RunEvent, ServiceError } from 'jikko-client'
import { all, client, Line, withServer } from './scene.js'

const APPLICATION = { 'Content-Type': 'application/json' }

test('a run has its outputs', async () => {
  const run = await client('work').run({ q: 'héllo 世界!' })

  assert.equal(run.data.status, 'succeeded')
  assert.deepEqual(run.data.outputs, { said: 'HÉLLO 世界! is loud' })
  assert.deepEqual((await client('work').result(run.workflow_run_id)).outputs, run.data.outputs)
})

test("streaming gives Dify's messages, which know their fields", async () => {
  let outputs: Record<string, unknown> | null = null
  const kinds: string[] = []
  for await (const message of client('work').stream({ q: 'a' })) {
    kinds.push(message.event)
    if (message.event === 'workflow_finished') outputs = message.data.outputs
  }

  assert.deepEqual([kinds[0], kinds.at(-1)], ['workflow_started', 'workflow_finished'])
  assert.deepEqual(outputs, { said: 'A is quiet' })
})

test('the same key starts one run', async () => {
  const idempotencyKey = '注文 🛒 1'
  const runs = await Promise.all([1, 2].map(() => client('work').start({ q: 'a' }, { idempotencyKey })))

  assert.equal(runs[0]?.workflow_run_id, runs[1]?.workflow_run_id)
  await assert.rejects(client('work').start({ q: 'b' }, { idempotencyKey }), { status: 409, code: 'conflict' })
})

test('the log of a run is given to its end, and behind a position', async () => {
  const { workflow_run_id: id } = await client('work').start({ q: 'a' })

  const events: RunEvent[] = await all(client('work').events(id))

  assert.deepEqual(
    events.map(event => event.id),
    [...events.keys()],
  )
  const end = events.at(-1)
  assert.ok(end?.event === 'run_finished' && end.status === 'succeeded')
  assert.deepEqual(await all(client('work').events(id, { after: 2 })), events.slice(3))
  assert.deepEqual(await all(client('work').events(id, { after: events.length - 1 })), [])
})

test('a stream that is cut off goes on behind its last event', async () => {
  const line = new Line()
  const near = client('asks', await line.listening())
  const { workflow_run_id: id } = await near.start({ q: 'a' })
  const seen: RunEvent[] = []
  try {
    for await (const event of near.events(id)) {
      seen.push(event)
      if (event.event !== 'form_requested') continue
      line.cut()
      const form = event.form as { form_token: string; actions: { id: string }[] }
      await client('asks').submitForm(form.form_token, { comment: 'gut 👍' }, form.actions[0]?.id ?? '')
      setTimeout(() => line.mend(), 200)
    }
  } finally {
    line.close()
  }

  assert.deepEqual(
    seen.map(event => event.id),
    [...seen.keys()],
  )
  assert.equal(seen.at(-1)?.event, 'run_finished')
})

test('a start waits for a server that is away, and is one run', async () => {
  const line = new Line()
  const near = client('work', await line.listening())
  line.cut()
  setTimeout(() => line.mend(), 200)
  try {
    assert.match((await near.start({ q: 'a' })).workflow_run_id, /^[0-9a-f-]{36}$/)
  } finally {
    line.close()
  }
})

test('a start that is refused for now is sent again with the same key, after the time that the server wants', async () => {
  const keys: unknown[] = []
  const began = performance.now()
  const run = await withServer(
    (asked, given) => {
      keys.push(asked.headers['idempotency-key'])
      if (keys.length > 1) given.writeHead(202, APPLICATION).end('{"workflow_run_id": "r"}')
      else given.writeHead(503, { ...APPLICATION, 'Retry-After': '1' }).end('{"code": "busy", "message": "later"}')
    },
    url => client('work', url).start({}),
  )

  assert.equal(run.workflow_run_id, 'r')
  assert.ok(performance.now() - began >= 990)
  assert.deepEqual([keys.length, new Set(keys).size], [2, 1])
})

test('a run with a key is sent again if its connection is lost, however long it took', async () => {
  let count = 0
  const run = await withServer(
    (_, given) => {
      count++
      if (count > 1) given.writeHead(200, APPLICATION).end('{"workflow_run_id": "r"}')
      else setTimeout(() => given.destroy(), 400)
    },
    url => new Client({ url, key: 'k', patience: 0.2 }).run({}, { idempotencyKey: '長い 🛒' }),
  )

  assert.deepEqual([run.workflow_run_id, count], ['r', 2])
})

test('a key with a line break is refused', async () => {
  const idempotencyKey = '注文\n1'
  const told = { name: 'ServiceError', code: 'invalid_param' }
  await assert.rejects(client('work').run({}, { idempotencyKey }), told)
  await assert.rejects(client('work').start({}, { idempotencyKey }), told)
})

test('a signal ends a refusal that is not told to its end', async () => {
  const abort = new AbortController()
  const fetch = async (...asked: Parameters<typeof globalThis.fetch>) => {
    const answer = await globalThis.fetch(...asked)
    abort.abort(new Error('足りる'))
    return answer
  }
  await withServer(
    (_, given) => given.writeHead(503, APPLICATION).write('{'),
    url =>
      assert.rejects(new Client({ url, key: 'k', fetch }).run({}, { signal: abort.signal }), { message: '足りる' }),
  )
})

test('a run without a key is never sent twice', async () => {
  let count = 0
  const refused = await withServer(
    (_, given) => {
      count++
      given.writeHead(503, APPLICATION).end('{"code": "busy", "message": "later", "status": 503}')
    },
    url =>
      client('work', url)
        .run({})
        .catch(error => error),
  )

  assert.deepEqual([count, refused.status, refused.code, refused.isPassing], [1, 503, 'busy', true])
})

test('a signal ends what waits with its reason, and the run goes on', async () => {
  const abort = new AbortController()
  const { workflow_run_id: id } = await client('asks').start({ q: 'a' })
  const waits = (async () => {
    for await (const event of client('asks').events(id, { signal: abort.signal }))
      if (event.event === 'run_paused') abort.abort(new Error('enough'))
  })()

  await assert.rejects(waits, { message: 'enough' })
  const away = client('work', 'http://127.0.0.1:9').start({}, { signal: AbortSignal.timeout(50) })
  await assert.rejects(away, { name: 'TimeoutError' })
  assert.equal((await client('asks').result(id)).status, 'paused')
  await client('asks').stop(id)
  assert.equal((await all(client('asks').events(id))).at(-1)?.event, 'run_finished')
})

test('a refusal has the words of the server, its code and its status', async () => {
  const refused = await client('none')
    .run({})
    .catch(error => error)

  assert.ok(refused instanceof ServiceError)
  assert.deepEqual([refused.status, refused.code, refused.isPassing], [401, 'unauthorized', false])
  await assert.rejects(all(client('none').stream({})), { status: 401 })
  await assert.rejects(all(client('work').events('no-run')), { status: 404 })
})

test('no server is told with its address', async () => {
  const url = await withServer(
    () => {},
    async url => url,
  )

  const told = { code: 'no_server', status: 0, message: new RegExp(`^${url}: the server does not answer: `) }
  await assert.rejects(client('work', url).info(), told)
  await assert.rejects(client('work', url).stream({}).next(), told)
})

test('a server of something else is told at once', async () => {
  await withServer(
    (_, given) => given.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>ようこそ</h1>'),
    async url => {
      await assert.rejects(client('work', url).start({}), { code: 'not_service' })
      await assert.rejects(client('work', url).stream({}).next(), { code: 'not_service' })
    },
  )
})

test('what only Jikko has says so at Dify', async () => {
  const told = { code: 'not_jikko', status: 501 }
  await withServer(
    (asked, given) => {
      const message = asked.method === 'POST' ? 'Input should be blocking or streaming: response_mode' : ''
      given.writeHead(message ? 400 : 404, APPLICATION).end(message ? JSON.stringify({ code: 'bad', message }) : '')
    },
    async url => {
      await assert.rejects(client('work', url).start({}), told)
      await assert.rejects(client('work', url).startChat('a'), told)
      await assert.rejects(all(client('work', url).events('r')), told)
    },
  )
})

test('a message that is no object is an error of the server', async () => {
  await withServer(
    (_, given) => given.writeHead(200, { 'Content-Type': 'text/event-stream' }).end('id: 0\ndata: null\n\n'),
    async url => {
      await assert.rejects(all(client('work', url).stream({})), { code: 'not_service' })
      await assert.rejects(all(client('work', url).events('r')), { name: 'ServiceError' })
    },
  )
})

test('a stream that ends before its run is an error', async () => {
  const stream = { 'Content-Type': 'text/event-stream' }
  await withServer(
    (_, given) => given.writeHead(200, stream).end('data: {"event": "node_started"}\n\n'),
    async url =>
      assert.rejects(all(client('work', url).stream({})), { code: 'no_server', message: /without the run's end/ }),
  )
})
