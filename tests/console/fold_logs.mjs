// Folds logs with the fold of the page. Each line of the input is {events, cuts}; each line of the output tells for
// every prefix of the log what the fold makes of it, and whether all other ways there lead to the same state.
// Usage: node fold_logs.mjs FOLDER, with the folder of the console, whose packages are installed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'

const [, , folder] = process.argv
const ts = createRequire(join(folder, 'package.json'))('typescript')
const made = mkdtempSync(join(tmpdir(), 'fold-'))
writeFileSync(join(made, 'package.json'), '{"type": "module"}')
for (const name of ['fold', 'log']) {
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, rewriteRelativeImportExtensions: true }
  const { outputText } = ts.transpileModule(readFileSync(join(folder, 'src', 'run', `${name}.ts`), 'utf8'), { compilerOptions: options })
  writeFileSync(join(made, `${name}.js`), outputText)
}
const { advance, begin } = await import(pathToFileURL(join(made, 'fold.js')))
const { RunLog } = await import(pathToFileURL(join(made, 'log.js')))
rmSync(made, { recursive: true })

/** Without what the states of one log share. */
const own = run => ({ ...run, ordinals: null })
const told = run => ({
  status: run.status, tokens: run.tokens, error: run.error ?? null,
  executions: run.executions.map(one => ({ id: one.id, node: one.nodeId, status: one.status, error: one.error ?? null, attempts: one.attempts.map(attempt => attempt.reason) })),
})

for await (const line of createInterface({ input: process.stdin })) {
  const { events, cuts } = JSON.parse(line)
  const prefixes = events.map((_, at) => advance(begin(), events, at))
  const same = []
  let run = begin()
  let from = 0
  for (const cut of [...cuts, events.length]) {
    // A stream that was opened again tells its tail once more.
    run = advance(run, events.slice(Math.max(0, from - 2), cut))
    if (cut > 0) same.push(isDeepStrictEqual(own(run), own(prefixes[cut - 1])))
    from = Math.max(from, cut)
  }
  const log = new RunLog(3)
  log.add(events)
  for (const at of [...cuts, ...cuts.toReversed(), events.length - 1, 0]) {
    const position = Math.min(at, events.length - 1)
    same.push(isDeepStrictEqual(own(log.at(position)), own(prefixes[position])))
  }
  process.stdout.write(`${JSON.stringify({ prefixes: prefixes.map(told), same: same.every(Boolean) })}\n`)
}
