import { useQuery } from '@tanstack/react-query'
import { get } from '../../api/client.ts'
import type { Dataset, Document } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useMay } from '../../app/Shell.tsx'
import { Status } from '../../parts/Icon.tsx'
import { Empty, Loaded, Panel } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { count, t, tn, type Word } from '../../words/words.ts'
import { Add } from './Add.tsx'
import { Search } from './Search.tsx'
import { Segments } from './Segments.tsx'

const STATUS: Readonly<Record<string, Word>> = {
  waiting: 'document.waiting',
  parsing: 'document.parsing',
  cleaning: 'document.cleaning',
  splitting: 'document.splitting',
  indexing: 'document.indexing',
  completed: 'document.completed',
  error: 'document.error',
  paused: 'document.paused',
}

const statusOf = (document: Document): string => {
  if (document.archived) return t('knowledge.archived')
  if (!document.enabled) return t('knowledge.off')
  const word = STATUS[document.status]
  return word ? t(word) : document.status
}

const LOOK: Readonly<Record<string, string>> = {
  completed: 'succeeded',
  error: 'failed',
  paused: 'stopped',
  waiting: 'queued',
}

export function Documents({ set }: { set: Dataset }) {
  const may = useMay()
  const [read, change] = useAddress()
  const page = Number(read('page')) || 1
  const keyword = read('q')
  const documents = useQuery({
    queryKey: ['documents', set.id, page, keyword],
    queryFn: () =>
      get<{ data: Document[]; total: number }>(`datasets/${set.id}/documents`, { page, keyword, limit: LIMIT }),
    refetchInterval: 5000,
  })
  return (
    <div className="two">
      <div className="colm">
        <Panel
          title={t('knowledge.documents')}
          plain
          beside={
            <input
              type="search"
              className="more find"
              placeholder={t('workflows.filter')}
              aria-label={t('knowledge.filter')}
              value={keyword}
              onChange={event => change({ q: event.target.value || undefined, page: undefined })}
            />
          }
        >
          <Loaded of={documents} rows={6}>
            {({ data, total }) =>
              data.length === 0 ? (
                <Empty>{t(keyword ? 'knowledge.no_such' : 'knowledge.empty')}</Empty>
              ) : (
                <>
                  <table>
                    <thead>
                      <tr>
                        <th>{t('knowledge.document')}</th>
                        <th className="c-status">{t('runs.status')}</th>
                        <th className="c-number right hide">{t('knowledge.segments')}</th>
                        <th className="c-number right hide">{t('knowledge.words')}</th>
                        <th className="c-number right hide">{t('knowledge.hits')}</th>
                      </tr>
                    </thead>
                    <tbody>
                      {data.map(one => (
                        <tr key={one.id} aria-selected={one.id === read('document') ? 'true' : undefined}>
                          <td>
                            <button
                              type="button"
                              className="link cut strong opens"
                              title={one.name}
                              onClick={() => change({ document: one.id })}
                            >
                              {visible(one.name)}
                            </button>
                          </td>
                          <td>
                            <Status
                              status={one.enabled && !one.archived ? (LOOK[one.status] ?? 'running') : 'stopped'}
                              word={statusOf(one)}
                            />
                          </td>
                          <td className="num right hide">
                            {one.segments_done === one.segments
                              ? count(one.segments)
                              : t('of', { n: count(one.segments_done), all: count(one.segments) })}
                          </td>
                          <td className="num right dim hide">{count(one.words)}</td>
                          <td className="num right dim hide">{count(one.hits)}</td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                  <div className="foot">
                    <span>{tn('knowledge.n', total)}</span>
                    <span className="more" />
                    {page > 1 && (
                      <button type="button" className="btn small" onClick={() => change({ page: String(page - 1) })}>
                        {t('knowledge.previous')}
                      </button>
                    )}
                    {page * LIMIT < total && (
                      <button type="button" className="btn small" onClick={() => change({ page: String(page + 1) })}>
                        {t('knowledge.next')}
                      </button>
                    )}
                  </div>
                </>
              )
            }
          </Loaded>
        </Panel>
      </div>
      <div className="colm">
        {may && <Search dataset={set.id} />}
        {may && set.provider !== 'external' && <Add dataset={set.id} />}
        {read('document') && (
          <Segments
            dataset={set.id}
            id={read('document')}
            document={documents.data?.data.find(one => one.id === read('document'))}
          />
        )}
      </div>
    </div>
  )
}

const LIMIT = 50
