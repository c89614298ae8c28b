// The parts of code by what they are, as highlight.js finds them. A chunk of its own, with the languages of workflows.
import hljs from 'highlight.js/lib/core'
import bash from 'highlight.js/lib/languages/bash'
import javascript from 'highlight.js/lib/languages/javascript'
import json from 'highlight.js/lib/languages/json'
import python from 'highlight.js/lib/languages/python'
import sql from 'highlight.js/lib/languages/sql'
import xml from 'highlight.js/lib/languages/xml'
import yaml from 'highlight.js/lib/languages/yaml'
import type { Token } from './Coloured.tsx'

for (const [name, grammar] of Object.entries({ bash, javascript, json, python, sql, xml, yaml }))
  hljs.registerLanguage(name, grammar)
hljs.registerAliases(['typescript', 'ts', 'tsx'], { languageName: 'javascript' })
hljs.registerAliases(['python3'], { languageName: 'python' })
hljs.registerAliases(['shell', 'curl'], { languageName: 'bash' })

/** The colours of a JSON tree, by the names that highlight.js gives. */
const KINDS: [RegExp, string][] = [
  [/comment|quote|doctag/, 'c'],
  [/attr/, 'k'],
  [/string|regexp|addition|code/, 's'],
  [/number|bullet|symbol/, 'n'],
  [/keyword|literal|built_in|type|selector|meta|tag|name|title/, 'w'],
]
const PIECES = /<span class="([^"]*)">|<\/span>|[^<]+/g
const CHARACTERS: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'" }

/** Code in parts, which together are the code. `dsl`: YAML of a workflow, whose code is in a language of its own. */
export function tokens(code: string, language: string): Token[] {
  if (language === 'dsl') return workflow(code)
  if (!hljs.getLanguage(language)) return [{ text: code, kind: '' }]
  const kinds: string[] = []
  const found: Token[] = []
  // What comes back is its code, escaped, and nothing but spans with a class around parts of it.
  for (const [piece, name] of hljs.highlight(code, { language, ignoreIllegals: true }).value.matchAll(PIECES)) {
    if (name !== undefined) kinds.push(KINDS.find(([names]) => names.test(name))?.[1] ?? kinds.at(-1) ?? '')
    else if (piece === '</span>') kinds.pop()
    else
      found.push({
        text: piece.replace(/&(?:amp|lt|gt|quot|#x27);/g, it => CHARACTERS[it] ?? it),
        kind: kinds.at(-1) ?? '',
      })
  }
  return found
}

/** A key whose text stands on the lines below it. */
const BLOCK = /^( *)(- )?([\w$-]+): *[|>][-+\d]*\s*$/

function workflow(code: string): Token[] {
  const language = /^ *code_language: *['"]?(\w+)/m.exec(code)?.[1] ?? ''
  const lines = code.split(/(?<=\n)/)
  const found: Token[] = []
  for (let at = 0, from = 0; at < lines.length; from = at) {
    let key: RegExpExecArray | null = null
    while (at < lines.length && !key) key = BLOCK.exec(lines[at++] as string)
    found.push(...tokens(lines.slice(from, at).join(''), 'yaml'))
    if (!key) break
    const depth = (key[1] as string).length + (key[2]?.length ?? 0)
    const text = at
    while (at < lines.length && deeper(lines[at] as string, depth)) at++
    found.push(...tokens(lines.slice(text, at).join(''), key[3] === 'code' ? language : ''))
  }
  return found
}

const deeper = (line: string, depth: number): boolean => line.trim() === '' || line.search(/\S/) > depth
