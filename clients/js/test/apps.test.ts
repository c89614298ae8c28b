import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'jikko-client'
import { all, client, withServer } from './scene.js'

test('a chat goes on, blocking, streaming and by its log', async () => {
  const chat = client('chat')
  const inputs = { q: 'a' }
  const first = await chat.chat('おはよう', { inputs })
  const conversationId = first.conversation_id
  let streamed = ''
  for await (const message of chat.chatStream('二', { inputs, conversationId }))
    if (message.event === 'message') streamed += message.answer
  const asked = await chat.startChat('三', { inputs, conversationId, idempotencyKey: `三 ${conversationId}` })
  let logged = ''
  for await (const event of chat.events(asked.workflow_run_id)) if (event.event === 'text_chunk') logged += event.text

  assert.deepEqual([first.answer, streamed, logged], ['hello', 'hello', 'hello'])
  const { data: messages } = await chat.messages(conversationId)
  assert.deepEqual(
    messages.map(message => message.query),
    ['おはよう', '二', '三'],
  )
  const { data: conversations } = await chat.conversations()
  assert.ok(conversations.some(each => each.id === conversationId))
})

test('a file comes back as it went', async () => {
  const stored = await client('file').upload(new Blob(['text 🙂']), { name: '報告.txt' })

  const run = await client('file').run({ document: stored })

  const same = run.data.outputs.same as { filename: string; url: string }
  assert.equal(same.filename, '報告.txt')
  assert.equal(await (await client('file').download(same)).text(), 'text 🙂')
  await assert.rejects(client('file').download(stored.upload_file_id ?? ''), { status: 404 })
})

test('the key goes to its server alone, and not with the address of a file', async () => {
  const asked: [string, boolean][] = []
  const fetch = async (address: unknown, options?: RequestInit) => {
    asked.push([String(address), new Headers(options?.headers).has('Authorization')])
    return new Response('🙂')
  }
  const near = new Client({ url: 'https://example.com/jikko/v1', key: 'app-key', user: 'u', fetch })

  for (const url of ['/files/a?sign=b', 'https://example.com/a', 'HTTPS://example.org/a']) await near.download({ url })
  await near.download('id')

  assert.deepEqual(asked, [
    ['https://example.com/jikko/files/a?sign=b', false],
    ['https://example.com/a', false],
    ['HTTPS://example.org/a', false],
    ['https://example.com/jikko/v1/files/id/preview?user=u', true],
  ])
  for (const url of ['.example.org/a', '@example.org/a', ':81/a', 'data:,a', 'https:a', ''])
    await assert.rejects(near.download({ url }), { name: 'ServiceError', code: 'invalid_param' })
  // @ts-expect-error There is no such operation.
  await assert.rejects(near.request('GET', '.example.org/a'), { code: 'invalid_param' })
  assert.equal(asked.length, 4)
})

test('nothing that is sent with the key follows a redirect', async () => {
  const reached: unknown[] = []
  await withServer(
    (asked, given) => {
      reached.push(asked.url)
      given.end('{}')
    },
    other =>
      withServer(
        (_, given) => given.writeHead(307, { Location: `${other}/elsewhere` }).end(),
        async url => {
          await assert.rejects(client('work', url).run({}), { name: 'ServiceError', status: 307, isPassing: false })
          assert.deepEqual(reached, [])
          assert.equal(await (await client('work', url).download({ url: '/files/a' })).text(), '{}')
        },
      ),
  )
  assert.deepEqual(reached, ['/elsewhere'])
})

test('an id that leads to another path is refused', async () => {
  const refused = { name: 'ServiceError', code: 'invalid_param' }
  for (const id of ['.', '..']) {
    const path = { dataset_id: 'a', document_id: id }
    const removed = client('work').request('DELETE', '/v1/datasets/{dataset_id}/documents/{document_id}', { path })
    await assert.rejects(removed, refused)
    await assert.rejects(client('work').result(id), refused)
    await assert.rejects(all(client('work').events(id)), refused)
  }
})

test('a form is submitted, and the run is joined again', async () => {
  const asks = client('asks')
  let token = ''
  let action = ''
  let id = ''
  for await (const message of asks.stream({ q: 'a' })) {
    if (message.event !== 'human_input_required') continue
    id = message.workflow_run_id
    token = message.data.form_token
    action = message.data.actions[0]?.id ?? ''
  }

  await asks.submitForm(token, { comment: 'gut 👍' }, action)

  assert.equal((await all(asks.rejoin(id))).at(-1)?.event, 'workflow_finished')
})

test('other operations are asked by their paths, and typed by them', async () => {
  const work = client('work')
  const { workflow_run_id: id } = await work.run({ q: 'a' })

  const { data } = await work.request('GET', '/v1/workflows/run/{workflow_run_id}/node-executions', {
    path: { workflow_run_id: id },
  })
  assert.ok(data.some(each => each.node_id === 'shout'))
  const logs = await work.request('GET', '/v1/workflows/logs', { query: { limit: 1, status: 'succeeded' } })
  assert.equal(logs.data.length, 1)

  // @ts-expect-error There is no such operation.
  await assert.rejects(work.request('GET', '/v1/nothing'), { status: 404 })
  // @ts-expect-error A part of the path is missing.
  await assert.rejects(work.request('GET', '/v1/workflows/run/{workflow_run_id}', {}), { status: 404 })
})

test('the app is described', async () => {
  assert.equal((await client('work').info()).mode, 'workflow')
  assert.equal((await client('work').parameters()).user_input_form.length, 1)
})
