import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { programs, python } from './callCode.ts'

const VALUES = {
  text: 'this is true, "quoted"\n\\ 日本 🙂 \ue000',
  yes: true,
  no: false,
  none: null,
  many: [1, -2.5, [], {}],
}

test('a value is the same one in Python', () => {
  const printed = execFileSync('python3', ['-c', `import json; print(json.dumps(${python(VALUES)}))`], {
    encoding: 'utf-8',
  })
  expect(JSON.parse(printed)).toEqual(VALUES)
})

test('what the shell sends is the body', () => {
  const body = { inputs: { q: "Ada's" }, response_mode: 'blocking' }
  const { curl = '' } = programs({ url: 'http://x/v1/workflows/run', body })
  const said = execFileSync('sh', ['-c', `curl() { for last; do :; done; printf %s "$last"; }; ${curl}`], {
    encoding: 'utf-8',
  })
  expect(JSON.parse(said)).toEqual(body)
})

test('programs are ones, whether the answer is one or a stream', () => {
  for (const response_mode of ['blocking', 'streaming']) {
    const { Python = '', JavaScript = '' } = programs({ url: 'http://x', body: { inputs: VALUES, response_mode } })
    execFileSync('python3', ['-c', 'import ast, sys; ast.parse(sys.argv[1])', Python])
    execFileSync('node', ['--check', '--input-type=module', '-'], { input: JavaScript })
  }
})
