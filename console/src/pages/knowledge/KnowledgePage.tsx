import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { get } from '../../api/client.ts'
import type { Dataset, Document, Segment } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { Icon, Status } from '../../parts/Icon.tsx'
import { LongText } from '../../parts/Json.tsx'
import { Empty, Gone, Loaded, Panel } from '../../parts/Panel.tsx'
import { sentence } from '../../words/sentences.ts'
import { count, t, tn, type Word, when } from '../../words/words.ts'
import { Add } from './Add.tsx'
import { Search } from './Search.tsx'
import '../../../styles/hits.css'
import '../../../styles/knowledge.css'
import { visible } from '../../words/visible.ts'

/** Datasets; of one its documents; of one of these its segments; and what a question finds. */
export default function KnowledgePage({ dataset }: { dataset: string }) {
  useTitle(t('page.knowledge'))
  const sets = useQuery({
    queryKey: ['datasets'],
    queryFn: () => get<{ data: Dataset[] }>('datasets').then(page => page.data),
    refetchInterval: 10_000,
  })
  const chosen = sets.data?.find(one => one.id === dataset)
  if (dataset && sets.data && !chosen)
    return (
      <Gone title={t('knowledge.gone')} text={t('knowledge.gone.text')} to="/knowledge" label={t('knowledge.all')} />
    )
  return (
    <main id="main" className="page knowledge">
      <div className="head">
        {chosen && (
          <Link className="btn plain icon" href="/knowledge" aria-label={t('knowledge.all')}>
            <Icon name="back" />
          </Link>
        )}
        <h1 className="cut" dir="auto">
          {chosen?.name ?? t('page.knowledge')}
        </h1>
        {chosen && (
          <span className="sub cut">
            {[chosen.description, ...about(chosen), tn('knowledge.words_n', chosen.words)].filter(Boolean).join(' · ')}
          </span>
        )}
      </div>
      <Loaded of={sets} rows={4}>
        {list =>
          chosen ? (
            <One set={chosen} />
          ) : (
            <div className="panel">
              {list.length === 0 ? <Empty>{t('knowledge.none')}</Empty> : <Sets list={list} />}
            </div>
          )
        }
      </Loaded>
    </main>
  )
}

function Sets({ list }: { list: readonly Dataset[] }) {
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
                <span className="faint cut">{set.description}</span>
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
function about(set: Dataset): string[] {
  const word = TECHNIQUE[set.technique ?? '']
  const parts = [word ? t(word) : (set.technique ?? ''), set.embedding_model ?? ''].filter(Boolean)
  return parts.length > 0 ? parts : [set.provider]
}

const TECHNIQUE: Readonly<Record<string, Word>> = {
  high_quality: 'knowledge.high_quality',
  economy: 'knowledge.economy',
}
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

function One({ set }: { set: Dataset }) {
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

function Segments({ dataset, id, document }: { dataset: string; id: string; document: Document | undefined }) {
  const done = document?.segments_done
  const segments = useQuery({
    // What is being indexed gets more of them.
    queryKey: ['segments', id, done],
    queryFn: () => get<{ data: Segment[]; total: number }>(`datasets/${dataset}/documents/${id}/segments`),
    placeholderData: before => before,
  })
  return (
    <Panel
      title={t('knowledge.segments')}
      plain
      beside={
        <span className="faint cut" title={document?.name}>
          {visible(document?.name ?? '')}
        </span>
      }
    >
      {document?.error && (
        <p className="wrong-text">
          <Icon name="failed" small />
          <span>{sentence(document.error)}</span>
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
