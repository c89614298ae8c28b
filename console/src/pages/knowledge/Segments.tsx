import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { get } from '../../api/client.ts'
import type { Document, Segment } from '../../api/types.ts'
import { Icon } from '../../parts/Icon.tsx'
import { LongText } from '../../parts/Json.tsx'
import { Empty, Loaded, Panel } from '../../parts/Panel.tsx'
import { worded } from '../../words/messages.ts'
import { visible } from '../../words/visible.ts'
import { count, t, tn } from '../../words/words.ts'

export function Segments({ dataset, id, document }: { dataset: string; id: string; document: Document | undefined }) {
  const done = document?.segments_done
  const segments = useQuery({
    // What is being indexed gets more of them.
    queryKey: ['segments', id, done],
    queryFn: () => get<{ data: Segment[]; total: number }>(`datasets/${dataset}/documents/${id}/segments`),
    placeholderData: before => before,
  })
  const name = useRef<HTMLSpanElement>(null)
  // On a narrow screen they stand far below the document that was chosen.
  useEffect(() => {
    if (id && window.matchMedia('(max-width: 760px)').matches) name.current?.closest('section')?.scrollIntoView()
  }, [id])
  return (
    <Panel
      title={t('knowledge.segments')}
      plain
      beside={
        <span ref={name} className="faint cut" title={document?.name}>
          {visible(document?.name ?? '')}
        </span>
      }
    >
      {document?.error && (
        <p className="wrong-text">
          <Icon name="failed" small />
          <span>{worded(document.error_message, document.error)}</span>
        </p>
      )}
      <Loaded of={segments}>
        {({ data, total }) => (
          <>
            {data.length === 0 && <Empty>{t('knowledge.no_segments')}</Empty>}
            {data.map(one => (
              <article key={one.id} className="segment">
                <header className="row faint small num">
                  <span>{`#${one.position}`}</span>
                  <span>{tn('knowledge.words_n', one.words)}</span>
                  {!one.enabled && <span className="tag">{t('knowledge.off')}</span>}
                  <span className="more">{one.keywords.slice(0, 6).join(', ')}</span>
                </header>
                <p dir="auto">
                  <LongText text={one.content} />
                </p>
                {one.answer && (
                  <p className="dim" dir="auto">
                    <LongText text={one.answer} />
                  </p>
                )}
              </article>
            ))}
            {total > data.length && (
              <p className="empty dim">{t('of', { n: count(data.length), all: count(total) })}</p>
            )}
          </>
        )}
      </Loaded>
    </Panel>
  )
}
