import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { get } from '../../api/client.ts'
import type { Dataset } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Empty, Gone, Loaded } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { t, tn } from '../../words/words.ts'
import { about, Datasets } from './Datasets.tsx'
import { Documents } from './Documents.tsx'
import { NewDataset } from './NewDataset.tsx'
import '../../../styles/hits.css'
import '../../../styles/knowledge.css'

/** Datasets; of one its documents; of one of these its segments; and what a question finds. */
export default function KnowledgePage({ dataset }: { dataset: string }) {
  const sets = useQuery({
    queryKey: ['datasets'],
    queryFn: () => get<{ data: Dataset[] }>('datasets').then(page => page.data),
    refetchInterval: 10_000,
  })
  const may = useMay()
  const chosen = sets.data?.find(one => one.id === dataset)
  useTitle(chosen?.name ?? t('page.knowledge'))
  if (dataset && sets.data && !chosen)
    return (
      <Gone title={t('knowledge.gone')} text={t('workflow.gone.text')} to="/knowledge" label={t('knowledge.all')} />
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
          {chosen ? visible(chosen.name) : t('page.knowledge')}
        </h1>
        {chosen && (
          <span className="sub cut">
            {[visible(chosen.description), ...about(chosen), tn('knowledge.words_n', chosen.words)]
              .filter(Boolean)
              .join(' · ')}
          </span>
        )}
      </div>
      <Loaded of={sets} rows={4}>
        {list =>
          chosen ? (
            <Documents set={chosen} />
          ) : (
            <div className="panel">
              {list.length === 0 ? <Empty>{t('knowledge.none')}</Empty> : <Datasets list={list} />}
              {may && <NewDataset />}
            </div>
          )
        }
      </Loaded>
    </main>
  )
}
