// Beside each built file above 1 kB: what gzip and brotli make of it, as far as that is smaller.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const folder = fileURLToPath(new URL('../../src/jikko/http/static/', import.meta.url))
for (const name of readdirSync(folder, { recursive: true })) {
  const path = join(folder, name)
  if (!statSync(path).isFile() || /\.(gz|br)$/.test(name) || name.startsWith('.vite')) continue
  const content = readFileSync(path)
  if (content.length <= 1000) continue
  const packed = {
    gz: gzipSync(content, { level: 9 }),
    br: brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  }
  for (const [ending, bytes] of Object.entries(packed))
    if (bytes.length < content.length) writeFileSync(`${path}.${ending}`, bytes)
}
