// Code in colours, once the library that finds its parts is there: before that, and where it is too long, as it is.
import { lazy, type ReactNode, Suspense, useMemo } from 'react'
import { t } from '../words/words.ts'
import { Pieces } from './Pieces.tsx'

/** A part of code, and the colour that it has: one of a JSON tree, `c` for comments, or none. */
export type Token = { text: string; kind: string }

const LANGUAGES =
  /^(?:bash|sh|zsh|shell|curl|javascript|js|jsx|mjs|cjs|typescript|ts|tsx|json|jsonc|python3?|py|sql|xml|html|svg|ya?ml|dsl)$/
/** Characters above which code is not read: it would take longer than a frame or two. */
const LONGEST = 50_000
/** Lines, words and blanks in which the library looks for its parts again from each character. JSON has no such parts. */
const SLOW = /[^\n]{5000}|\w{1000}|\s{1000}/

type Marks = { numbered?: boolean | undefined; failing?: number | undefined; own?: readonly number[] | undefined }
type Code = Marks & { text: string; language: string }

const Found = lazy(async () => {
  const { tokens } = await import('./highlight.ts').catch(() => ({ tokens: plain }))
  return {
    default: function Found({ text, language, ...marks }: Code) {
      const found = useMemo(() => tokens(text, language), [text, language])
      return <Shown tokens={found} {...marks} />
    },
  }
})

const plain = (text: string): Token[] => [{ text, kind: '' }]

/**
 * The text of a code block.
 *
 * `language`: as Markdown names it; code of JSON needs none. `numbered`: each line is an element; `failing`: the one, from
 * 1, at which its run failed; `own`: the first and the last of those that are asked about.
 */
export function Coloured({ text, language, ...marks }: Code) {
  const said = language.toLowerCase() || (/^\s*[[{]\s*["[{\]}\d]/.test(text) ? 'json' : '')
  const asItIs = <Shown tokens={plain(text)} {...marks} />
  if (text.length > LONGEST || !LANGUAGES.test(said) || (said !== 'json' && SLOW.test(text))) return asItIs
  return (
    <Suspense fallback={asItIs}>
      <Found text={text} language={said} {...marks} />
    </Suspense>
  )
}

function Shown({ tokens, numbered, failing, own: [from = 1, to = 0] = [] }: Marks & { tokens: readonly Token[] }) {
  if (!numbered) return tokens.map(part)
  const lines: ReactNode[][] = [[]]
  for (const { text, kind } of tokens)
    for (const piece of text.split(/(?<=\n)/)) {
      const line = lines.at(-1) as ReactNode[]
      line.push(part({ text: piece, kind }, line.length))
      if (piece.endsWith('\n')) lines.push([])
    }
  return lines
    .filter(line => line.length > 0)
    .map((line, index) =>
      index + 1 === failing ? (
        <mark key={index} title={t('case.broke')}>
          {line}
        </mark>
      ) : (
        <span key={index} className={index + 1 >= from && index < to ? 'own' : undefined}>
          {line}
        </span>
      ),
    )
}

const part = ({ text, kind }: Token, key: number): ReactNode =>
  kind ? (
    <span key={key} className={kind}>
      {text}
    </span>
  ) : (
    <Pieces key={key} text={text} />
  )
