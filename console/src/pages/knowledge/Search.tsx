import { type FormEvent, useState } from 'react'
import { post } from '../../api/client.ts'
import type { Hit } from '../../api/types.ts'
import { Hits } from '../../parts/Hits.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Failure, Panel } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { t } from '../../words/words.ts'

/** Asks a dataset what a question would find, and shows with which score. */
export function Search({ dataset }: { dataset: string }) {
  const [text, setText] = useState('')
  const [hits, setHits] = useState<Hit[] | null>(null)
  const { busy, error, act } = useAction()
  const search = async (event: FormEvent) => {
    event.preventDefault()
    const query = text.trim()
    if (!query) return
    await act(async () => setHits((await post<{ data: Hit[] }>(`datasets/${dataset}/search`, { query })).data))
  }
  return (
    <Panel title={t('knowledge.try')} plain>
      <form className="row in" onSubmit={event => void search(event)}>
        <input
          type="search"
          className="grow"
          maxLength={250}
          placeholder={t('knowledge.question')}
          aria-label={t('knowledge.question')}
          value={text}
          onChange={event => setText(event.target.value)}
        />
        <button type="submit" className="btn main" disabled={busy || !text.trim()}>
          <Icon name="search" small />
          {t('knowledge.find')}
        </button>
      </form>
      {error !== null && <Failure error={error} />}
      <div role="status" aria-live="polite">
        {hits && (
          <Hits
            list={hits.map(hit => ({
              content: hit.content,
              answer: hit.answer ?? null,
              document: hit.document_name,
              score: hit.score,
            }))}
          />
        )}
      </div>
    </Panel>
  )
}
