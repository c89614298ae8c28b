// Markdown of answers and forms as elements: paragraphs, headings, lists, quotes, code, emphasis, links. HTML in it is
// text, pictures are the text beside them: nothing is loaded from elsewhere.
import type { ReactNode } from 'react'
import { visible } from './Json.tsx'

export function Markdown({ text }: { text: string }) {
  return <div className="markdown">{blocks(visible(text).split('\n'))}</div>
}

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

const INLINE = /(`[^`]+`)|(\*\*[^*]+\*\*)|(\*[^*\s][^*]*\*)|!?\[([^\]]*)\]\(([^)\s]+)[^)]*\)/

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
