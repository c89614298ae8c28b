// Long texts in pieces, so that a browser lays out only those that are looked at: a megabyte takes it minutes otherwise.

const PIECE = 4000

/** Cuts a text behind a line where one ends, else anywhere but within a character. Together they are the text. */
export function pieces(text: string, size = PIECE): string[] {
  const out: string[] = []
  for (let from = 0; from < text.length; ) {
    let until = Math.min(text.length, from + size)
    if (until < text.length) {
      const line = text.lastIndexOf('\n', until - 1) + 1
      const code = text.charCodeAt(until)
      if (line > from + size / 2) until = line
      else if (code >= 0xdc00 && code <= 0xdfff) until--
    }
    out.push(text.slice(from, until))
    from = until
  }
  return out
}

export function Pieces({ text }: { text: string }) {
  if (text.length <= PIECE) return text
  return pieces(text).map((piece, index) => (
    <span key={index} className="piece">
      {piece}
    </span>
  ))
}
