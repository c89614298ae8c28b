import { useQueryClient } from '@tanstack/react-query'
import { useSystem } from '../../api/queries.ts'
import type { System } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Loaded, Panel } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { ago, count, duration, t, tn } from '../../words/words.ts'
import { Callbacks } from './Callbacks.tsx'
import { Diagnostics } from './Diagnostics.tsx'
import { Server, Store } from './Facts.tsx'
import { Providers } from './Providers.tsx'
import { Sandbox } from './Sandbox.tsx'
import { Tools } from './Tools.tsx'
import { Who } from './Who.tsx'
import '../../../styles/system.css'

export default function SystemPage() {
  useTitle(t('page.system'))
  const system = useSystem()
  const cache = useQueryClient()
  const may = useMay()
  const { busy, act } = useAction()
  const look = () => act(() => cache.refetchQueries({ queryKey: ['system'] }))
  return (
    <main id="main" className="page system">
      <div className="head">
        <h1>{t('page.system')}</h1>
        <span className="sub only-large">
          {system.data &&
            [
              `Jikko ${system.data.server.version}`,
              t('system.up', { time: duration(system.data.server.now - system.data.process.began_at) }),
              t('system.looked', { ago: ago(system.dataUpdatedAt / 1000) }),
            ].join(' · ')}
        </span>
        <span className="more" />
        <button type="button" className="btn" disabled={busy} onClick={() => void look()}>
          <Icon name="again" />
          {t('system.look')}
        </button>
      </div>
      <Loaded of={system} rows={12}>
        {data => (
          <div className="grid">
            <div className="colm">
              <Diagnostics list={data.to_mend} />
              <Providers data={data} />
              <Sandbox data={data} may={may} />
              <Tools />
              <Callbacks counts={data.callbacks} />
              {may && <Who />}
            </div>
            <div className="colm">
              <Load data={data} />
              <Store data={data} />
              <Server data={data} />
              <Settings data={data} />
            </div>
          </div>
        )}
      </Loaded>
    </main>
  )
}

function Load({ data }: { data: System }) {
  return (
    <Panel
      title={t('system.load')}
      beside={<span className="more faint">{tn('system.workers', data.process.workers)}</span>}
    >
      <div className="stack meters">
        {data.load.map(one => (
          <div key={one.name} className={`meter ${one.limit && one.used / one.limit > 0.6 ? 'near' : ''}`}>
            <span>{t(`load.${one.name}`)}</span>
            <span className="num dim">
              {one.limit ? t('of', { n: count(one.used), all: count(one.limit) }) : count(one.used)}
            </span>
            {one.limit ? (
              <span className="m">
                <i style={{ width: `${Math.min(100, Math.max(one.used ? 1.2 : 0, (one.used / one.limit) * 100))}%` }} />
              </span>
            ) : null}
          </div>
        ))}
      </div>
    </Panel>
  )
}

function Settings({ data }: { data: System }) {
  if (data.settings.length === 0) return null
  return (
    <section className="panel">
      <details>
        <summary>
          <Icon name="chev" small className="ch" />
          {t('system.settings')}
        </summary>
        <dl className="kv in">
          {[...data.settings]
            .sort((a, b) => Number(a.from === 'default') - Number(b.from === 'default'))
            .map(one => (
              <div key={one.name} className="pair" title={one.from}>
                <dt className={`mono ${one.from === 'default' ? 'faint' : 'strong'}`}>{one.name}</dt>
                <dd>{one.value || '–'}</dd>
              </div>
            ))}
        </dl>
      </details>
    </section>
  )
}
