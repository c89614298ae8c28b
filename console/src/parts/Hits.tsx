import { number, t } from '../words/words.ts'
import { LongText } from './Json.tsx'
import '../../styles/hits.css'

/** A segment that a question found. `score` may be unknown. */
export type Hit = {
  readonly content: string
  readonly answer?: string | null
  readonly document: string
  readonly dataset?: string
  readonly score?: number
}

/** What a node found, as its output or the sources of an answer have it; undefined if it is no list of segments. */
export function hitsOf(result: unknown): readonly Hit[] | undefined {
  if (!Array.isArray(result)) return undefined
  const out: Hit[] = []
  for (const one of result as Record<string, unknown>[]) {
    if (typeof one?.content !== 'string') return undefined
    const about = (one.metadata ?? one) as Record<string, unknown>
    out.push({
      content: one.content,
      document: String(about.document_name ?? one.title ?? ''),
      ...(typeof about.dataset_name === 'string' ? { dataset: about.dataset_name } : {}),
      ...(typeof about.score === 'number' ? { score: about.score } : {}),
    })
  }
  return out
}

/** Segments with their scores, the best first as they were found. */
export function Hits({ list }: { list: readonly Hit[] }) {
  if (list.length === 0) return <p className="empty dim">{t('found.none')}</p>
  return list.map((hit, index) => (
    <article key={index} className="segment">
      <header className="row small">
        {hit.score !== undefined && (
          <>
            <b className="num">{number(hit.score, 3)}</b>
            <span className="meter">
              <i style={{ width: `${Math.max(2, Math.min(1, hit.score) * 100)}%` }} />
            </span>
          </>
        )}
        <span className="more faint cut" dir="auto">
          {[hit.dataset, hit.document].filter(Boolean).join(' › ')}
        </span>
      </header>
      <p dir="auto">
        <LongText text={hit.content} />
      </p>
      {hit.answer && (
        <p className="dim" dir="auto">
          <LongText text={hit.answer} />
        </p>
      )}
    </article>
  ))
}
