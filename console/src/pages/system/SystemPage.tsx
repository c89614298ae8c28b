import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { post } from '../../api/client.ts'
import { useSystem } from '../../api/queries.ts'
import type { System } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { Code } from '../../parts/Code.tsx'
import { Icon, Status } from '../../parts/Icon.tsx'
import { Empty, Failure, Loaded, Panel } from '../../parts/Panel.tsx'
import { sentence } from '../../words/sentences.ts'
import { ago, count, duration, t, tn } from '../../words/words.ts'
import { Callbacks } from './Callbacks.tsx'
import { Server, Store } from './Facts.tsx'
import { ToMend } from './ToMend.tsx'
import { Tools } from './Tools.tsx'
import { tested } from './tested.ts'
import { Who } from './Who.tsx'
import '../../../styles/system.css'

export default function SystemPage() {
  useTitle(t('page.system'))
  const system = useSystem()
  const cache = useQueryClient()
  const may = useMay()
  const [busy, setBusy] = useState(false)
  const look = async () => {
    setBusy(true)
    await cache.refetchQueries({ queryKey: ['system'] })
    setBusy(false)
  }
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
              <ToMend list={data.to_mend} />
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

const PROVIDER = { ok: 'succeeded', failing: 'failed', incomplete: 'failed', unused: 'queued' } as const

function Providers({ data }: { data: System }) {
  const may = useMay()
  const [told, setTold] = useState<Record<string, string>>({})
  const test = async (name: string) => {
    setTold(now => ({ ...now, [name]: '…' }))
    const { text } = await tested(name)
    setTold(now => ({ ...now, [name]: text }))
  }
  return (
    <Panel title={t('system.providers')} plain>
      {data.providers.length === 0 ? (
        <Empty>{t('system.no_providers')}</Empty>
      ) : (
        <div className="scroll">
          <table>
            <thead>
              <tr>
                <th className="c-name">{t('system.name')}</th>
                <th className="c-state">{t('system.state')}</th>
                <th className="hide">{t('system.address')}</th>
                <th className="c-asked right hide">{t('system.requests')}</th>
                <th className="c-num right hide">{t('rounds.median')}</th>
                <th className="c-num right">{t('page.workflows')}</th>
                {may && (
                  <th className="c-num">
                    <span className="sr">{t('system.test')}</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {data.providers.map(one => {
                const apps = one.apps.length
                const note = told[one.name] ?? sentence(one.error ?? '')
                return (
                  <tr key={one.name} title={note}>
                    <td className="strong cut" title={one.name}>
                      {one.name.replace(/^.*\//, '')}
                    </td>
                    <td>
                      <Status status={PROVIDER[one.state]} word={told[one.name] ?? t(`provider.${one.state}`)} />
                    </td>
                    <td className="mono dim hide">{one.host}</td>
                    <td className="num right dim hide">
                      {one.hour.failed > 0
                        ? t('system.failed_of', { failed: count(one.hour.failed), all: count(one.hour.requests) })
                        : count(one.hour.requests)}
                    </td>
                    <td className="num right dim hide">{duration(one.hour.p50)}</td>
                    <td className="num right">{apps || <span className="faint">–</span>}</td>
                    {may && (
                      <td className="right">
                        <button
                          type="button"
                          className="btn plain small"
                          aria-label={t('system.test_one', { name: one.name })}
                          onClick={() => void test(one.name)}
                        >
                          {t('system.test')}
                        </button>
                      </td>
                    )}
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

const SANDBOX = { ok: 'succeeded', failed: 'failed', unavailable: 'failed', checking: 'queued' } as const
const CHECK = { ok: 'succeeded', warning: 'partial', failed: 'failed' } as const

function Sandbox({ data, may }: { data: System; may: boolean }) {
  const cache = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const { sandbox } = data
  const good = sandbox.checks.filter(check => check.status === 'ok').length
  const check = async () => {
    setBusy(true)
    setError(null)
    await post('system/check', { what: 'sandbox' }).catch(setError)
    await cache.invalidateQueries({ queryKey: ['system'] })
    setBusy(false)
  }
  const well = sandbox.checks.length > 0 && good === sandbox.checks.length
  return (
    <Panel
      title={t('system.sandbox')}
      plain
      beside={
        <>
          <span className="more" />
          <Status
            status={SANDBOX[sandbox.state]}
            word={well ? tn('system.hold', good) : t(`sandbox.${sandbox.state}`)}
          />
          {may && (
            <button type="button" className="btn small" disabled={busy} onClick={() => void check()}>
              {t('system.check')}
            </button>
          )}
        </>
      }
    >
      {error !== null && <Failure error={error} />}
      <ul className="checks" hidden={sandbox.checks.length === 0}>
        {sandbox.checks.map(one => (
          <li key={one.name}>
            <span className={`st st-${CHECK[one.status]}`}>
              <Icon name={CHECK[one.status]} small />
            </span>
            <span className="dim">
              <Code text={[one.name, one.detail].filter(Boolean).map(sentence).join(': ')} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
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
