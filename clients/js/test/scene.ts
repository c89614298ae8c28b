import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createLine, type Socket } from 'node:net'
import { Client } from 'jikko-client'

/** The server under test, and the keys of its apps by name. */
export const scene = JSON.parse(process.env.JIKKO_SCENE ?? '{}') as { url: string; keys: Record<string, string> }

export function client(app: string, url = scene.url): Client {
  return new Client({ url, key: scene.keys[app] ?? '', user: '太郎 🐇' })
}

/** A line to the server that can be cut. */
export class Line {
  #open = new Set<Socket>()
  #isCut = false
  #server = createLine(near => {
    if (this.#isCut) {
      near.destroy()
      return
    }
    const { hostname, port } = new URL(scene.url)
    const far = connect(Number(port), hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(one)
      one.pipe(other)
      one.on('error', () => {})
      one.on('close', () => {
        this.#open.delete(one)
        other.destroy()
      })
    }
  })

  async listening(): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  cut(): void {
    this.#isCut = true
    for (const end of this.#open) end.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}

/** A server that answers as a test wants, while `use` runs. */
export async function withServer<T>(
  answer: (asked: IncomingMessage, given: ServerResponse) => void,
  use: (url: string) => Promise<T>,
): Promise<T> {
  const server = createServer((asked, given) => {
    asked.resume().on('end', () => answer(asked, given))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
