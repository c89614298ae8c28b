import { expect, test } from 'vitest'
import type { RunEvent } from './events.ts'
import { advance, begin } from './fold.ts'
import { Follower, type Hear, type LogPage, type Source } from './follow.ts'
import { readLog } from './logs.ts'

const human = readLog('human')
const now = (then: () => void) => queueMicrotask(then)
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 1))
}

/** A log that grows: pages are what is there, the stream is what the test says. */
class Grown implements Source {
  pages = 0
  hears: Hear[] = []
  afters: number[] = []
  constructor(
    public length: number,
    private readonly size = 100,
  ) {}
  page = async (after: number): Promise<LogPage> => {
    this.pages++
    return {
      data: human.slice(after + 1, Math.min(this.length, after + 1 + this.size)),
      end: this.length,
      closed: this.length === human.length,
    }
  }
  stream = (after: () => number, hear: Hear, signal: AbortSignal): Promise<void> => {
    this.hears.push(hear)
    this.afters.push(after())
    return new Promise(resolve => signal.addEventListener('abort', () => resolve()))
  }
}

test('a finished run is read page by page, and needs no stream', async () => {
  const source = new Grown(human.length)
  const follower = new Follower(source, now)
  await follower.start()
  await until(() => follower.snapshot().phase === 'ended')
  expect(source.hears).toHaveLength(0)
  expect(source.pages).toBe(7)
  expect(follower.snapshot().run).toMatchObject({ status: 'partial-succeeded', tokens: 13825 })
})

test('a live run goes on where its pages end, and ends with its last event', async () => {
  const source = new Grown(300)
  const follower = new Follower(source, now, () => 1000)
  const over = follower.start()
  await until(() => source.hears.length === 1)
  expect(source.afters).toEqual([299])
  source.hears[0]!.hello(1004.5)
  source.hears[0]!.events(human.slice(290, 400))
  await until(() => follower.snapshot().head === 399)
  expect(follower.snapshot().phase).toBe('live')
  expect(follower.now()).toBe(1004.5)
  source.hears[0]!.events(human.slice(400))
  await over
  await until(() => follower.snapshot().phase === 'ended')
  expect({ ...follower.snapshot().run, ordinals: 0 }).toEqual({ ...advance(begin(), human), ordinals: 0 })
})

test('behind a gap the log is read again from where it is whole', async () => {
  const source = new Grown(100)
  const follower = new Follower(source, now)
  void follower.start()
  await until(() => source.hears.length === 1)
  source.length = 200
  source.hears[0]!.events(human.slice(150, 160))
  await until(() => source.hears.length === 2)
  expect(source.afters).toEqual([99, 199])
  follower.close()
})

test('a lost connection is told with its time, and forgotten when it is back', async () => {
  const source = new Grown(100)
  const follower = new Follower(source, now, () => 7)
  void follower.start()
  await until(() => source.hears.length === 1)
  source.hears[0]!.connected(false)
  await until(() => follower.snapshot().phase === 'reconnecting')
  expect(follower.snapshot().lostAt).toBe(7)
  source.hears[0]!.connected(true)
  await until(() => follower.snapshot().phase === 'live')
  expect(follower.snapshot().lostAt).toBeUndefined()
  follower.close()
})

test('a connection counts as lost since the first moment, however many tries follow and frames are drawn', async () => {
  const frames: (() => void)[] = []
  const draw = () => {
    for (const frame of frames.splice(0)) frame()
  }
  const source = new Grown(100)
  let clock = 7
  const follower = new Follower(
    source,
    then => frames.push(then),
    () => clock,
  )
  void follower.start()
  await until(() => source.hears.length === 1)
  const [hear] = source.hears as [Hear]
  // No frame is drawn between the first two tries: the page is in the background.
  for (clock of [7, 9]) hear.connected(false)
  draw()
  clock = 11
  hear.connected(false)
  draw()
  expect(follower.snapshot()).toMatchObject({ phase: 'reconnecting', lostAt: 7 })
  // Here and lost again within one frame: that is another loss.
  hear.connected(true)
  clock = 20
  hear.connected(false)
  draw()
  expect(follower.snapshot()).toMatchObject({ phase: 'reconnecting', lostAt: 20 })
  follower.close()
})

test('a very long log stops and asks; what was read is shown', async () => {
  const follower = new Follower(new Grown(human.length), now)
  await follower.start(250)
  await until(() => follower.snapshot().phase === 'held')
  expect(follower.snapshot()).toMatchObject({ head: 299, end: human.length - 1 })
  await follower.start()
  await until(() => follower.snapshot().phase === 'ended')
})

test('however many events come, what is shown changes once a frame', async () => {
  const frames: (() => void)[] = []
  const source = new Grown(100)
  const follower = new Follower(source, then => frames.push(then))
  void follower.start()
  await until(() => source.hears.length === 1)
  frames.splice(0).forEach(frame => {
    frame()
  })
  let told = 0
  follower.subscribe(() => told++)
  for (const event of human.slice(100, 200)) source.hears[0]!.events([event as RunEvent])
  expect(frames).toHaveLength(1)
  frames.splice(0).forEach(frame => {
    frame()
  })
  expect(told).toBe(1)
  follower.close()
})

test('a follower that is closed hangs up, and that is no failure', async () => {
  const source = new Grown(100)
  const follower = new Follower(source, now)
  const over = follower.start()
  await until(() => source.hears.length === 1)
  follower.close()
  await over
  expect(follower.snapshot().phase).toBe('live')

  const page = (_: number, signal: AbortSignal) =>
    new Promise<LogPage>((_, refuse) => signal.addEventListener('abort', () => refuse(new Error('aborted'))))
  const early = new Follower({ page, stream: source.stream }, now)
  const none = early.start()
  early.close()
  await none
  await new Promise<void>(now)
  expect(early.snapshot().phase).toBe('loading')
})

test('what the server refuses is told', async () => {
  const follower = new Follower(
    { page: () => Promise.reject(new Error('no such run')), stream: () => Promise.resolve() },
    now,
  )
  await follower.start()
  await until(() => follower.snapshot().phase === 'failed')
  expect(follower.snapshot().error).toEqual(new Error('no such run'))
})
