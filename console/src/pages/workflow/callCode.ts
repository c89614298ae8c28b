// Programs that make a call, as text.

const KEY = 'app-…'
type Call = { url: string; body: Record<string, unknown> }

/** A value of JSON as Python writes it. */
export function python(value: unknown, margin = ''): string {
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value !== 'object') return JSON.stringify(value)
  const deeper = `${margin}    `
  const entries = Array.isArray(value)
    ? value.map(one => python(one, deeper))
    : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one, deeper)}`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return entries.length > 0
    ? `${open}\n${entries.map(entry => `${deeper}${entry},\n`).join('')}${margin}${close}`
    : `${open}${close}`
}

/** By languages, the shell first. An answer that comes as a stream is printed line by line. */
export function programs({ url, body }: Call): Record<string, string> {
  const streams = body.response_mode === 'streaming'
  const json = JSON.stringify(body, null, 2).replace(/\n/g, '\n  ')
  const request = [
    `    "${url}",`,
    `    headers={"Authorization": "Bearer ${KEY}"},`,
    `    json=${python(body, '    ')},`,
    '    timeout=None,',
  ]
  return {
    curl: [
      `curl ${streams ? '-N ' : ''}${url} \\`,
      `  -H 'Authorization: Bearer ${KEY}' \\`,
      `  -H 'Content-Type: application/json' \\`,
      `  -d '${json.replace(/'/g, "'\\''")}'`,
    ].join('\n'),
    Python: [
      'import httpx',
      '',
      ...(streams
        ? [
            'with httpx.stream(',
            '    "POST",',
            ...request,
            ') as answer:',
            '    for line in answer.iter_lines():',
            '        print(line)',
          ]
        : ['answer = httpx.post(', ...request, ')', 'print(answer.json())']),
    ].join('\n'),
    JavaScript: [
      `const answer = await fetch("${url}", {`,
      '  method: "POST",',
      `  headers: { Authorization: "Bearer ${KEY}", "Content-Type": "application/json" },`,
      `  body: JSON.stringify(${json}),`,
      '})',
      ...(streams
        ? ['for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {', '  console.log(piece)', '}']
        : ['console.log(await answer.json())']),
    ].join('\n'),
  }
}
