// @vitest-environment happy-dom

import { cleanup, render, waitFor } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Coloured } from './Coloured.tsx'
import { Formula } from './Formula.tsx'
import { tokens } from './highlight.ts'
import { Markdown } from './Markdown.tsx'
import { quotedCode } from './quoted.ts'

// As the page is, by its doctype.
Object.defineProperty(document, 'compatMode', { value: 'CSS1Compat' })

/** Those on lines of their own are drawn by real browsers alone. */
const formulas = (text: string): (string | null)[] => {
  const { container, unmount } = render(<Markdown text={text} />)
  const found = [...container.querySelectorAll('.formula, p math, li math, td math')].map(one => one.textContent)
  unmount()
  return found
}

/** The libraries are loaded with the first text that wants them. */
async function loaded() {
  const { container, unmount } = render(<Markdown text={'\\(x\\)\n```py\nNone\n```'} />)
  await waitFor(() => expect(container.querySelectorAll('math, .w')).toHaveLength(2))
  unmount()
}

test('code in parts is the code, each in its colour', () => {
  for (const [language, code, kinds] of [
    ['python', 'def main(q: str):\n    # 日本 🙂\n    return {"a": 1}\n', 'wcsn'],
    ['javascript', 'const a = `<b>` + 2 // "&amp;"\n', 'wsnc'],
    ['json', '{"名": "\\u202e", "n": [1, null]}', 'wsn'],
    ['yaml', 'a: "b"\nc: [1, true] # d\n', 'wsnc'],
    ['tsx', 'let a = 1', 'wn'],
    ['nonsense', 'let a = 1', ''],
    ['constructor', 'let a = 1', ''],
  ] as const) {
    const found = tokens(code, language)
    expect(found.map(token => token.text).join('')).toBe(code)
    const used = new Set(found.map(token => token.kind))
    for (const kind of kinds) expect(used, language).toContain(kind)
    if (!kinds) expect([...used]).toEqual([''])
  }
})

test('lines of a workflow are YAML, their code is in its own language, other long texts are as they are', () => {
  const file = [
    '- id: judge',
    '  data:',
    '    code: |',
    '      def main():',
    '',
    '          return None',
    '    code_language: python3',
    '    text: |-',
    '      key: none of YAML',
    '',
    '      # no comment',
    '    title: Judge # one',
    '',
  ].join('\n')
  const found = tokens(file, 'dsl')
  expect(found.map(token => token.text).join('')).toBe(file)
  const kind = (text: string) => found.find(token => token.text.includes(text))?.kind
  expect(kind('def')).toBe('w')
  expect(kind('None')).toBe('w')
  expect(kind('Judge')).toBe('s')
  expect(kind('key: none')).toBe('')
  expect(kind('# no comment')).toBe('')
  expect(kind('# one')).toBe('c')
})

test('a code block is coloured once it ends, and stays as it is until then', async () => {
  await loaded()
  const begun = 'Look:\n   ```python\n   def main():\n       return None'
  const { container, rerender } = render(<Markdown text={begun} />)
  const code = () => container.querySelector('pre.code') as HTMLElement
  expect(code().textContent).toBe('def main():\n    return None')
  expect(code().querySelector('span')).toBeNull()
  rerender(<Markdown text={`${begun}\n   \`\`\`\nand on`} />)
  expect(code().textContent).toBe('def main():\n    return None')
  expect([...code().querySelectorAll('.w')].map(part => part.textContent)).toContain('def')
  const part = code().querySelector('.w')
  rerender(<Markdown text={`${begun}\n   \`\`\`\nand on and on`} />)
  expect(code().querySelector('.w')).toBe(part)
})

test('a longer fence holds shorter ones, and what has no known language has no colour', async () => {
  await loaded()
  const { container } = render(<Markdown text={'````md\n```js\n1\n```\n````\n~~~\n{"a": 1}\n~~~'} />)
  const [markdown, json] = [...container.querySelectorAll('pre.code')]
  expect(markdown?.textContent).toBe('```js\n1\n```')
  expect(markdown?.querySelector('span')).toBeNull()
  expect(json?.querySelector('.n')?.textContent).toBe('1')
})

test('formulas stand between two dollar signs or brackets; money, brackets and code are text', async () => {
  await loaded()
  for (const [text, count] of [
    ['It is \\(a_1 * b_1\\) and \\(c\\).', 2],
    ['**So \\(x\\)**', 1],
    ['| a |\n| - |\n| \\(x\\) |', 1],
    ['- $$x^2$$', 1],
    ['so $$ x^2 $$ it is', 1],
    ['Then\n$$\nx \\\\\ny\n$$\nand', 1],
    ['  \\[ \\frac{1}{2} \\]', 1],
    ['\\[\nx\n\\]', 1],
    ['costs $5 and $6', 0],
    ['costs $$5 and $$6', 0],
    ['US$$5', 0],
    ['$HOME and $PATH', 0],
    ['see \\[1\\] and \\[2, 3\\]', 0],
    ['\\[1\\]', 0],
    ['\\[\n2, 3\n\\]', 0],
    ['\\(5\\) and \\(1, 2\\)', 2],
    ['so $$5$$', 1],
    ['$$5$$', 1],
    ['`\\(x\\)` and `$$x$$`', 0],
    ['C:\\\\(x)\\\\', 0],
    ['```\n$$\nx\n$$\n```', 0],
    ['$$\nx\n\ny\n$$', 0],
    ['$$\nstill being written', 0],
    ['\\(still being written', 0],
    ['\\[link\\](https://example.com)', 0],
  ] as const)
    expect(formulas(text), text).toHaveLength(count)
})

test('what is wrong as a formula is shown as it was written, and none makes links, pictures or names', async () => {
  await loaded()
  const { container } = render(
    <Markdown
      text={[
        '\\(\\frac{1\\)',
        '\\(\\href{javascript:alert(1)}{x}\\)',
        '\\(\\includegraphics{https://example.com/x.png}\\)',
        '\\(\\style{position:fixed}{x}\\)',
        '\\(\\text{<img src=x onerror=alert(1)>}\\)',
        '\\(\\def\\a{\\a\\a}\\a\\)',
        `\\(${'{'.repeat(900)}\\)`,
        '\\[ \\begin{equation} x \\label{root} \\end{equation} \\]',
      ].join('\n\n')}
    />,
  )
  expect(container.textContent).toContain('\\(\\frac{1\\)')
  expect(container.textContent).toContain('\\(\\def\\a{\\a\\a}\\a\\)')
  expect(container.querySelector('a, img, script, [href], [id], [src]')).toBeNull()
  expect(container.querySelector('[style]')).toBeNull()
})

test('a formula that stands for far more than it says is shown as it was written', async () => {
  await loaded()
  const letters = 'y'.repeat(600)
  const drawn = (tex: string) => {
    const { container } = render(<Formula tex={tex} source={`\\(${tex}\\)`} />)
    if (!container.querySelector('math')) expect(container.textContent).toBe(`\\(${tex}\\)`)
    return container.querySelectorAll('math *').length
  }
  for (const tex of [
    `\\def\\a{${letters}}${'\\a'.repeat(20)}`,
    '\\gdef\\a{日本🙂}\\a',
    '\\edef\\a{y}\\a',
    '\\let\\a=y \\a',
    '\\global\\long\\def\\a{y}\\a',
    '\\newcommand{\\a}{y}\\a',
    '\\renewcommand\\alpha{y}\\alpha',
    '\\providecommand{\\a}{y}\\a',
    `\\tag{$${letters}$}${'\\df@tag'.repeat(20)}`,
    `\\pu{${'.'.repeat(1900)}}`,
    'y'.repeat(2001),
    '\\rule[-1000em]{1em}{1em}',
  ])
    expect(drawn(tex), tex).toBe(0)
  expect(drawn('y'.repeat(2000))).toBeGreaterThan(1999)
  expect(drawn('\\leq \\left(x\\right) 10^{-1000} \\rule[-1em]{1em}{1em}')).toBeGreaterThan(6)
})

test('formulas are drawn as long as their text has room for them, wherever they stand; the rest is as written', async () => {
  await loaded()
  const long = `\\(\\text{${'語'.repeat(983)}}\\)`
  const block = `$$\n${'y'.repeat(1990)}\n$$`
  for (const [text, drawn, last] of [
    [Array(24).fill(block).join('\n\n'), 5, block],
    [Array(24).fill(`- ${long}`).join('\n'), 10, long],
    [`| a | 日本 🙂 |\n|-|-|\n${`| ${long} | **${long}** |\n`.repeat(12)}`, 10, long],
    [`> ${long} ${long}\n\n`.repeat(12), 10, long],
    ['\\(x\\) '.repeat(501), 500, '\\(x\\)'],
  ] as const) {
    const view = <Markdown text={text} />
    const { container, rerender, unmount } = render(view)
    const count = () => container.querySelectorAll('math, .formula').length
    expect(count(), text.slice(0, 20)).toBe(drawn)
    rerender(<Markdown text={`${text}\n\nand on`} />)
    expect(count()).toBe(drawn)
    expect(container.textContent).toContain(last)
    expect(container.querySelectorAll('*').length).toBeLessThan(25_000)
    unmount()
  }
})

test('lines of code are numbered once each, the failing one marked, and keys of data have their colour', async () => {
  await loaded()
  const said = vi.spyOn(console, 'error')
  const code = 'def main():\n    # a\n    "🙂"\n\n    return 1 / 0\n'
  const { container } = render(<Coloured text={code} language="python" numbered failing={5} />)
  await waitFor(() => expect(container.querySelector('.w')).not.toBeNull())
  expect(container.textContent).toBe(code)
  expect(container.children).toHaveLength(5)
  expect(container.querySelector('mark')?.textContent).toBe('    return 1 / 0\n')
  expect(said).not.toHaveBeenCalled()
  for (const [text, language, keys] of [
    ['{"名前": {"a": "b"}}', 'json', ['"名前"', '"a"']],
    ['名前: 1\nb: "c"\n', 'yaml', ['b:']],
  ] as const)
    expect(tokens(text, language).flatMap(one => (one.kind === 'k' ? [one.text] : []))).toEqual(
      expect.arrayContaining([...keys]),
    )
})

test('a very long text is neither coloured nor searched for formulas, and shown whole', async () => {
  await loaded()
  const long = `${'\\(x\\) 日本🙂 '.repeat(20_000)}\n\`\`\`py\nNone\n\`\`\`\n$$\nx\n$$`
  const { container } = render(<Markdown text={long} />)
  expect(container.querySelector('math, .w')).toBeNull()
  expect(container.textContent).toContain(long.slice(0, 100_000))
  cleanup()
  expect(formulas('\\(x\\) '.repeat(2001))).toHaveLength(0)
  const slow = ['None\n'.repeat(20_000), `None ${'a'.repeat(1000)}`, `None${'\n'.repeat(1000)}`, 'None '.repeat(1000)]
  for (const code of slow)
    expect(render(<Markdown text={`\`\`\`py\n${code}\n\`\`\``} />).container.querySelector('.w')).toBeNull()
  const { container: json } = render(<Markdown text={`\`\`\`json\n[null${', 1'.repeat(2500)}]\n\`\`\``} />)
  expect(json.querySelector('.w')?.textContent).toBe('null')
})

test('lists hold lists, code and paragraphs, and keep their numbers', () => {
  const text = [
    'Steps:',
    '1. 返金 🍓',
    '   - **one**',
    '     - deep',
    '    - two',
    '',
    '2. Second',
    'goes on',
    '',
    '   more',
    '   ```',
    '   code',
    '   ```',
    '```',
    'outside',
    '```',
    '3) Third',
    '---',
    '- - -',
    '* last',
  ].join('\n')
  const { container } = render(<Markdown text={text} />)
  const shape = (one: Element): string =>
    one.tagName === 'P' || one.tagName === 'PRE' || one.children.length === 0
      ? `${one.tagName}:${one.textContent}`
      : `${one.tagName}${(one as HTMLOListElement).start ?? ''}(${[...one.children].map(shape).join(' ')})`
  const list = (tag: string) => (tag === 'UL' ? '' : tag)
  expect([...(container.firstElementChild as Element).children].map(one => list(one.tagName) || shape(one))).toEqual([
    'P',
    'OL',
    'PRE',
    'OL',
    'HR',
    'HR',
    'UL(LI(P:last))',
  ])
  const [first, third] = [...container.querySelectorAll('ol')]
  expect(first?.start).toBe(1)
  expect(third?.start).toBe(3)
  expect(first?.querySelectorAll(':scope > li')).toHaveLength(2)
  expect(shape(first?.querySelector('ul') as Element)).toBe('UL(LI(P:one UL(LI(P:deep))) LI(P:two))')
  const second = first?.querySelector(':scope > li:last-child')
  expect([...(second?.children ?? [])].map(one => one.textContent)).toEqual(['Second\ngoes on', 'more', 'code'])
})

test('lists are nested by tabs as by spaces, and code in them keeps its tabs', () => {
  const shape = (text: string): string => {
    const { container, unmount } = render(<Markdown text={text} />)
    const of = (one: Element): string =>
      /^[UO]L$|^LI$/.test(one.tagName) ? `${one.tagName}(${[...one.children].map(of).join(' ')})` : `${one.textContent}`
    const found = [...(container.firstElementChild as Element).children].map(of).join(' ')
    unmount()
    return found
  }
  expect(shape('- 果物\n\t- 🍓\n\t\t- 苺\n\t- 🍋\n- 野菜')).toBe('UL(LI(果物 UL(LI(🍓 UL(LI(苺))) LI(🍋))) LI(野菜))')
  expect(shape('1. a\n\t- b\n2. c')).toBe('OL(LI(a UL(LI(b))) LI(c))')
  expect(shape('-\ta\n\t-\tb\n    - c\n\n\td\n-\te')).toBe('UL(LI(a UL(LI(b) LI(c)) d) LI(e))')
  expect(shape('\t- a\n\t- b\n    - c')).toBe('UL(LI(a) LI(b) LI(c))')
  expect(shape('- a\n\t```\n\tall:\n\t\tmake\n\t```\n- b')).toBe('UL(LI(a all:\n\tmake) LI(b))')
})

test('quotes and lists within each other beyond every need are text', () => {
  for (const text of ['>'.repeat(50_000), `${'- '.repeat(50_000)}x`, '> - '.repeat(20_000), '1. '.repeat(20_000)]) {
    const { container, unmount } = render(<Markdown text={text} />)
    expect(container.querySelectorAll('*').length, text.slice(0, 5)).toBeLessThan(60)
    expect(container.textContent?.length).toBeGreaterThan(text.length * 0.99)
    unmount()
  }
  const deep = Array.from({ length: 1000 }, (_, n) => `${' '.repeat(n)}- x`).join('\n')
  expect(render(<Markdown text={deep} />).container.querySelectorAll('li').length).toBeLessThanOrEqual(1000)
})

test('a table stands at once below its text, with its columns aligned and bars within cells', () => {
  const { container } = render(<Markdown text={'価格:\n| a | b | c |\n|:--|--:|:-:|\n| x \\| y | 12,345 | 🍓 |'} />)
  expect(container.querySelector('p')?.textContent).toBe('価格:')
  expect([...container.querySelectorAll('td')].map(one => [one.textContent, one.style.textAlign])).toEqual([
    ['x | y', ''],
    ['12,345', 'right'],
    ['🍓', 'center'],
  ])
})

test('code between quotes of YAML is read as it was', () => {
  const double = [
    'data:',
    '  code: "\\ndef main(q):\\n    # \\u5272\\u5F15 \\U0001F353 \\"q\\" \\\\d\\t\\',
    '    \\n\\n    return {\\n        \\"long\\": 1,\\',
    '    \\ \\"a\\": 2}\\n"',
    '  code_language: python3',
  ].join('\n')
  expect(quotedCode(double)).toEqual({
    code: '\ndef main(q):\n    # 割引 🍓 "q" \\d\t\n\n    return {\n        "long": 1, "a": 2}\n',
    language: 'python3',
  })
  const single = ['data:', "  code: 'a = ''b''", '', '    c = 1', '', "    '", '  code_language: javascript'].join('\n')
  expect(quotedCode(single)).toEqual({ code: "a = 'b'\nc = 1\n", language: 'javascript' })
  const json = JSON.stringify({ code: 'def main():\n    return "休"\n', code_language: 'python3' }, null, 1)
  expect(quotedCode(json)).toEqual({ code: 'def main():\n    return "休"\n', language: 'python3' })
  for (const none of ['code: "one line"', 'code: |\n  a\n  b', 'code: "\\Uffffffff"', 'code: "not closed\n', ''])
    expect(quotedCode(none), none).toBeUndefined()
  expect(quotedCode(`code: "${'\\n'.repeat(500_000)}x`)).toBeUndefined()
})
