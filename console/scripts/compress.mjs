// In place of each built file above 1 kB: what gzip and brotli make of it. The server unpacks what is asked for as it was.
// The licences stay readable in the wheel.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const folder = fileURLToPath(new URL('../../src/jikko/http/static/', import.meta.url))
for (const name of readdirSync(folder, { recursive: true })) {
  const path = join(folder, name)
  if (!statSync(path).isFile() || /\.(gz|br)$/.test(name) || name.startsWith('.vite')) continue
  const content = readFileSync(path)
  if (content.length <= 1000 || ['index.html', 'licenses.md'].includes(name)) continue
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }))
  writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
  rmSync(path)
}
