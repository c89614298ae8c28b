import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameReader, frames } from '../dist/event-stream.js'

test('messages are read however a stream is cut into pieces', () => {
  const stream =
    ': hello\r\n\r\nevent: ping\n\nid: 7\rdata: {"a":\rdata: "山"}\r\rdata:x\n\nretry: 1000\ndata\n\ndata: half'
  for (let size = 1; size <= stream.length; size++) {
    const reader = new FrameReader()
    const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, i) =>
      stream.slice(i * size, (i + 1) * size),
    )
    assert.deepEqual(
      pieces.flatMap(piece => reader.read(piece)),
      [
        { id: '7', data: '{"a":\n"山"}' },
        { id: undefined, data: 'x' },
        { id: undefined, data: '' },
      ],
    )
  }
})

test('an event of many pieces is read in proportion to its length', () => {
  const reader = new FrameReader()
  const piece = '山'.repeat(8_000)
  reader.read('data: ')
  const began = process.cpuUsage()
  for (let count = 0; count < 2_000; count++) reader.read(piece)
  const [frame] = reader.read('\n\n')
  const { user, system } = process.cpuUsage(began)

  assert.equal(frame?.data.length, 16_000_000)
  assert.ok(user + system < 2_000_000, `${(user + system) / 1e6} s`)
})

test('characters are whole that come in several pieces', async () => {
  const bytes = new TextEncoder().encode('data: 🗻山\n\n')
  const body = new ReadableStream<Uint8Array>({
    start(stream) {
      for (const byte of bytes) stream.enqueue(Uint8Array.of(byte))
    },
  })

  const found = await frames(body, 60_000).next()

  assert.equal(found.value?.data, '🗻山')
})

test('a stream without a byte, or even a ping, is dead and hung up', async () => {
  let isCancelled = false
  const body = new ReadableStream<Uint8Array>({
    cancel() {
      isCancelled = true
    },
  })

  await assert.rejects(frames(body, 20).next(), { code: 'no_server', message: 'the stream says nothing for 0.02 s' })

  assert.ok(isCancelled)
})
