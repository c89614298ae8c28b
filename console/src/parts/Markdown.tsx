// Markdown of answers and forms as elements: paragraphs, headings, lists, quotes, tables, code, formulas, emphasis, links. HTML in
// it is text, pictures are the text beside them: nothing is loaded from elsewhere.
import type { ReactNode } from 'react'
import { visible } from '../words/visible.ts'
import { Coloured } from './Coloured.tsx'
import { Formula } from './Formula.tsx'
import { Pieces } from './Pieces.tsx'

/** Characters of a text above which its code is not coloured; those and marks above which its formulas are text. */
const LONGEST = 200_000
const LONGEST_WITH_FORMULAS = 50_000
const MOST_MARKS = 2000
/** Characters of formulas that are drawn in one text, and what the shortest counts as: the first 500 of these. */
const ROOM = 10_000
const SHORTEST = 20

export function Markdown({ text }: { text: string }) {
  const rich = text.length <= LONGEST
  const few = text.length <= LONGEST_WITH_FORMULAS && (text.match(/\$\$|\\[([]/g)?.length ?? 0) <= MOST_MARKS
  return <div className="markdown">{blocks(visible(text).split('\n'), { coloured: rich, room: few ? ROOM : 0 })}</div>
}

/** `room`: characters of formulas that may still be drawn. */
type Drawn = { coloured: boolean; room: number }

/** Whether there is room for one more formula, which then takes it. Those behind the first that has none are text. */
function fits(tex: string, drawn: Drawn): boolean {
  drawn.room -= Math.max(tex.length, SHORTEST)
  return drawn.room >= 0
}

/** Quotes and lists within each other; deeper ones are text. */
const DEEPEST = 16

/** What stands below the head of a table. */
const RULE = /^ {0,3}\|?[ \t]*:?-{1,50}:?[ \t]*(?:\|[ \t]*:?-{1,50}:?[ \t]*){0,50}\|?[ \t]*$/
const ITEM = /^(\s*)(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/
const BREAK = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/
const FENCE = /^( {0,12})(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*$/
const HEADING = /^#{1,6}\s/

function blocks(lines: readonly string[], drawn: Drawn, depth = 0): ReactNode[] {
  const out: ReactNode[] = []
  const inline = (text: string) => spans(text, drawn)
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] as string
    const start = at
    const fence = FENCE.exec(line)
    const formula = drawn.room > 0 ? formulaAt(lines, at) : undefined
    if (line.trim() === '') {
      at++
    } else if (fence) {
      const [, margin = '', mark = '', language = ''] = fence
      const ends = new RegExp(`^ {0,12}${mark[0]}{${mark.length},}[ \\t]*$`)
      let end = at + 1
      while (end < lines.length && !ends.test(lines[end] as string)) end++
      const code = lines
        .slice(at + 1, end)
        .map(row => (row.startsWith(margin) ? row.slice(margin.length) : row.trimStart()))
      // One that is still being written is not coloured: what it says may be something else by its end.
      const known = drawn.coloured && end < lines.length
      out.push(
        <pre key={start} className="code" tabIndex={0}>
          {known ? <Coloured text={code.join('\n')} language={language} /> : <Pieces text={code.join('\n')} />}
        </pre>,
      )
      at = end + 1
    } else if (formula) {
      const source = lines.slice(at, formula.end).join('\n')
      out.push(
        fits(formula.tex, drawn) ? (
          <Formula key={start} tex={formula.tex} source={source} block />
        ) : (
          <p key={start}>{source}</p>
        ),
      )
      at = formula.end
    } else if (HEADING.test(line)) {
      out.push(
        <p key={start} className="strong">
          {inline(line.replace(/^#+\s*/, ''))}
        </p>,
      )
      at++
    } else if (BREAK.test(line)) {
      out.push(<hr key={start} />)
      at++
    } else if (line.startsWith('>') && depth < DEEPEST) {
      while (at < lines.length && (lines[at] as string).startsWith('>')) at++
      out.push(
        <blockquote key={start}>
          {blocks(
            lines.slice(start, at).map(quoted => quoted.replace(/^>\s?/, '')),
            drawn,
            depth + 1,
          )}
        </blockquote>,
      )
    } else if (isTable(lines, at)) {
      let end = at + 2
      while (end < lines.length && (lines[end] as string).includes('|')) end++
      out.push(table(start, lines.slice(at, end), inline))
      at = end
    } else if (ITEM.test(line) && depth < DEEPEST) {
      const { number, items, end } = listAt(lines, at, drawn)
      const list = items.map((item, index) => <li key={index}>{blocks(item, drawn, depth + 1)}</li>)
      out.push(
        number === undefined ? (
          <ul key={start}>{list}</ul>
        ) : (
          <ol key={start} start={Number(number)}>
            {list}
          </ol>
        ),
      )
      at = end
    } else {
      while (at < lines.length && (lines[at] as string).trim() !== '' && (at === start || !begins(lines, at, drawn)))
        at++
      out.push(<p key={start}>{inline(lines.slice(start, at).join('\n'))}</p>)
    }
  }
  return out
}

const isTable = (lines: readonly string[], at: number): boolean =>
  (lines[at] as string).includes('|') && RULE.test(lines[at + 1] ?? '')

/** The list from here: its first number, if it has numbers, and the lines of each item, without their margin. What stands
 * two columns further right than the item belongs to it, however many spaces a list within it has. */
function listAt(
  lines: readonly string[],
  at: number,
  drawn: Drawn,
): { number?: string; items: string[][]; end: number } {
  const items: string[][] = []
  const number = ITEM.exec(lines[at] as string)?.[2]
  for (;;) {
    const found = ITEM.exec(lines[at] ?? '')
    if (!found || (found[2] === undefined) !== (number === undefined) || BREAK.test(found[0])) break
    const [whole, margin = '', , text = ''] = found
    const item = [text]
    for (at++; at < lines.length; at++) {
      const line = lines[at] as string
      const space = line.search(/\S/)
      const isLeft = space >= 0 && columns(line.slice(0, space)) < columns(margin) + 2
      if (isLeft && ((lines[at - 1] as string).trim() === '' || begins(lines, at, drawn))) break
      item.push(outdented(line, columns(whole) - columns(text)))
    }
    items.push(item)
  }
  return { ...(number === undefined ? {} : { number }), items, end: at }
}

const columns = (text: string): number => text.replaceAll('\t', '    ').length

/** A line without `most` columns of its margin; of a tab that is wider, spaces are left. */
function outdented(line: string, most: number): string {
  let at = 0
  let gone = 0
  for (; gone < most && /\s/.test(line[at] ?? ''); at++) gone += columns(line[at] as string)
  return ' '.repeat(Math.max(0, gone - most)) + line.slice(at)
}

/** Whether a line ends the paragraph above it. */
const begins = (lines: readonly string[], at: number, drawn: Drawn): boolean => {
  const line = lines[at] as string
  return (
    line.startsWith('>') ||
    [FENCE, HEADING, ITEM, BREAK].some(one => one.test(line)) ||
    isTable(lines, at) ||
    (drawn.room > 0 && formulaAt(lines, at) !== undefined)
  )
}

/** `\[1\]` and the like are notes in brackets. */
const NOTE = /^\\\[[\d\s,–-]*\\\]$/

/** The formula on the lines from here, between `$$` or `\[` and `\]`, without an empty line; undefined if there is none. */
function formulaAt(lines: readonly string[], at: number): { tex: string; end: number } | undefined {
  const [, mark = ''] = /^\s*(\$\$|\\\[)/.exec(lines[at] as string) ?? []
  if (!mark) return undefined
  const close = mark === '$$' ? '$$' : '\\]'
  for (let end = at; end < Math.min(lines.length, at + 100); end++) {
    const line = (lines[end] as string).trim()
    const rest = end === at ? line.slice(2) : line
    if (line === '') return undefined
    const found = rest.indexOf(close)
    if (found < 0) continue
    const source = lines
      .slice(at, end + 1)
      .join('\n')
      .trim()
    return found === rest.length - 2 && !NOTE.test(source) ? { tex: source.slice(2, -2), end: end + 1 } : undefined
  }
  return undefined
}

/** Each has an end, so that a text of nothing but beginnings is read in a time that grows with its length. */
const INLINE =
  /(`[^`]{1,2000}`)|(\*\*[^*]{1,2000}\*\*)|(\*[^*\s][^*]{0,2000}\*|(?<![\p{L}\p{N}_])_[^_\s][^_]{0,2000}_(?![\p{L}\p{N}_]))|!?\[([^\]\n]{0,500})\]\(([^()\s]{1,2000})(?:\s[^()\n]{0,500})?\)/u
/** `$$…$$`, with a space at both ends or at none, `\(…\)` and `\[…\]`. One dollar sign is money. */
const FORMULA =
  /(?<![\\$])(?<dollars>\$\$(?<space> ?)(?=[^\s$])(?:\\.|[^$`\\]){1,1000}(?<=\S)\k<space>\$\$)(?!\$)|(?<!\\)(?<brackets>\\\([^`]{1,1000}?\\\)|\\\[[^`]{1,1000}?\\\](?!\())/u
const WITH_FORMULAS = new RegExp(`${INLINE.source}|${FORMULA.source}`, 'u')

function spans(text: string, drawn: Drawn): ReactNode[] {
  const out: ReactNode[] = []
  let rest = text
  for (let key = 0; rest; key++) {
    const match = (drawn.room > 0 ? WITH_FORMULAS : INLINE).exec(rest)
    if (!match) {
      out.push(<Pieces key={key} text={rest} />)
      break
    }
    if (match.index > 0) out.push(rest.slice(0, match.index))
    const [whole, code, bold, italic, label, target] = match
    const formula = match.groups?.dollars ?? match.groups?.brackets
    if (formula)
      out.push(
        NOTE.test(formula) || !fits(formula, drawn) ? (
          formula
        ) : (
          <Formula key={key} tex={formula.slice(2, -2)} source={formula} />
        ),
      )
    else if (code) out.push(<code key={key}>{code.slice(1, -1)}</code>)
    else if (bold) out.push(<b key={key}>{spans(bold.slice(2, -2), drawn)}</b>)
    else if (italic) out.push(<i key={key}>{spans(italic.slice(1, -1), drawn)}</i>)
    else if (target && /^https?:\/\//i.test(target) && !whole.startsWith('!')) {
      out.push(
        <a key={key} href={target} rel="noopener noreferrer nofollow" target="_blank">
          {label || target}
        </a>,
      )
    } else out.push(label || whole)
    rest = rest.slice(match.index + whole.length)
  }
  return out
}

const cells = (line: string): string[] =>
  line
    .trim()
    .replace(/^\||(?<!\\)\|$/g, '')
    .split(/(?<!\\)\|/)
    .map(cell => cell.trim().replaceAll('\\|', '|'))

const aligned = (rule = '') =>
  rule.endsWith(':') ? ({ textAlign: rule.startsWith(':') ? 'center' : 'right' } as const) : undefined

function table(key: number, lines: readonly string[], inline: (text: string) => ReactNode) {
  const [names = [], rules = [], ...rows] = lines.map(cells)
  const sides = rules.map(aligned)
  return (
    <div key={key} className="scroll" tabIndex={0}>
      <table className="auto">
        <thead>
          <tr>
            {names.map((name, index) => (
              <th key={index} style={sides[index]}>
                {inline(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={at}>
              {row.slice(0, names.length).map((cell, index) => (
                <td key={index} style={sides[index]}>
                  {inline(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
