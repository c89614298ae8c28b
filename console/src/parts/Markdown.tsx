// Markdown of answers and forms as elements: paragraphs, headings, lists, quotes, code, emphasis, links. HTML in it is
// text, pictures are the text beside them: nothing is loaded from elsewhere.
import type { ReactNode } from 'react'
import { visible } from '../words/visible.ts'

export function Markdown({ text }: { text: string }) {
  return <div className="markdown">{blocks(visible(text).split('\n'))}</div>
}

/** What stands below the head of a table. */
const RULE = /^ {0,3}\|?[ \t]*:?-{1,50}:?[ \t]*(?:\|[ \t]*:?-{1,50}:?[ \t]*){0,50}\|?[ \t]*$/
const ITEM = /^\s*(?:([-*+])|(\d+)[.)])\s+(.*)$/

function blocks(lines: readonly string[]): ReactNode[] {
  const out: ReactNode[] = []
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] as string
    const start = at
    if (line.trim() === '') {
      at++
    } else if (line.startsWith('```')) {
      let end = at + 1
      while (end < lines.length && !(lines[end] as string).startsWith('```')) end++
      out.push(
        <pre key={start} className="code" tabIndex={0}>
          {lines.slice(at + 1, end).join('\n')}
        </pre>,
      )
      at = end + 1
    } else if (/^#{1,6}\s/.test(line)) {
      out.push(
        <p key={start} className="strong">
          {inline(line.replace(/^#+\s*/, ''))}
        </p>,
      )
      at++
    } else if (line.startsWith('>')) {
      while (at < lines.length && (lines[at] as string).startsWith('>')) at++
      out.push(
        <blockquote key={start}>
          {blocks(lines.slice(start, at).map(quoted => quoted.replace(/^>\s?/, '')))}
        </blockquote>,
      )
    } else if (line.includes('|') && RULE.test(lines[at + 1] ?? '')) {
      let end = at + 2
      while (end < lines.length && (lines[end] as string).includes('|')) end++
      out.push(<Table key={start} head={line} body={lines.slice(at + 2, end)} />)
      at = end
    } else if (ITEM.test(line)) {
      const items: string[] = []
      const ordered = ITEM.exec(line)?.[2] !== undefined
      while (at < lines.length && ITEM.test(lines[at] as string))
        items.push(ITEM.exec(lines[at++] as string)?.[3] ?? '')
      const list = items.map((item, index) => <li key={index}>{inline(item)}</li>)
      out.push(ordered ? <ol key={start}>{list}</ol> : <ul key={start}>{list}</ul>)
    } else {
      while (
        at < lines.length &&
        (lines[at] as string).trim() !== '' &&
        !/^(```|#{1,6}\s|>)/.test(lines[at] as string) &&
        (at === start || !ITEM.test(lines[at] as string))
      )
        at++
      out.push(<p key={start}>{inline(lines.slice(start, at).join('\n'))}</p>)
    }
  }
  return out
}

/** Each has an end, so that a text of nothing but beginnings is read in a time that grows with its length. */
const INLINE =
  /(`[^`]{1,2000}`)|(\*\*[^*]{1,2000}\*\*)|(\*[^*\s][^*]{0,2000}\*|(?<![\p{L}\p{N}_])_[^_\s][^_]{0,2000}_(?![\p{L}\p{N}_]))|!?\[([^\]\n]{0,500})\]\(([^()\s]{1,2000})(?:\s[^()\n]{0,500})?\)/u

function inline(text: string): ReactNode[] {
  const out: ReactNode[] = []
  let rest = text
  for (let key = 0; rest; key++) {
    const match = INLINE.exec(rest)
    if (!match) {
      out.push(rest)
      break
    }
    if (match.index > 0) out.push(rest.slice(0, match.index))
    const [whole, code, bold, italic, label, target] = match
    if (code) out.push(<code key={key}>{code.slice(1, -1)}</code>)
    else if (bold) out.push(<b key={key}>{bold.slice(2, -2)}</b>)
    else if (italic) out.push(<i key={key}>{italic.slice(1, -1)}</i>)
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
    .replace(/^\||\|$/g, '')
    .split('|')
    .map(cell => cell.trim())

function Table({ head, body }: { head: string; body: readonly string[] }) {
  const names = cells(head)
  return (
    <div className="scroll" tabIndex={0}>
      <table className="auto">
        <thead>
          <tr>
            {names.map((name, index) => (
              <th key={index}>{inline(name)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {body.map((line, row) => (
            <tr key={row}>
              {cells(line)
                .slice(0, names.length)
                .map((cell, index) => (
                  <td key={index}>{inline(cell)}</td>
                ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
