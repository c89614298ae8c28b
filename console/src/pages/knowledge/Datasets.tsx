import { Link } from 'wouter'
import type { Dataset } from '../../api/types.ts'
import { visible } from '../../words/visible.ts'
import { count, t, tn, type Word, when } from '../../words/words.ts'

export function Datasets({ list }: { list: readonly Dataset[] }) {
  return (
    <table className="cards">
      <thead>
        <tr>
          <th>{t('knowledge.set')}</th>
          <th className="c-technique">{t('knowledge.technique')}</th>
          <th className="c-number right">{t('knowledge.documents')}</th>
          <th className="c-number right">{t('knowledge.words')}</th>
          <th className="c-when right">{t('knowledge.updated')}</th>
        </tr>
      </thead>
      <tbody>
        {list.map(set => (
          <tr key={set.id}>
            <td className="name">
              <Link className="rowlink" href={`/knowledge/${set.id}`}>
                <span className="t strong">{visible(set.name)}</span>
                <span className="faint cut">{visible(set.description)}</span>
              </Link>
            </td>
            <td className="dim cut">
              {about(set).join(' · ')}
              <span className="only-small faint"> · {tn('knowledge.n', set.documents)}</span>
            </td>
            <td className="num right hide">
              {set.available === set.documents
                ? count(set.documents)
                : t('of', { n: count(set.available), all: count(set.documents) })}
            </td>
            <td className="num right dim hide">{count(set.words)}</td>
            <td className="num right dim hide">{when(set.updated_at)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** How a dataset is searched. */
export function about(set: Dataset): string[] {
  const word = TECHNIQUE[set.technique ?? '']
  const parts = [word ? t(word) : (set.technique ?? ''), set.embedding_model ?? ''].filter(Boolean)
  return parts.length > 0 ? parts : [set.provider]
}

const TECHNIQUE: Readonly<Record<string, Word>> = {
  high_quality: 'knowledge.high_quality',
  economy: 'knowledge.economy',
}
