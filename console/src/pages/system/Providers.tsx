import { useState } from 'react'
import type { System } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Status } from '../../parts/Icon.tsx'
import { Empty, Panel } from '../../parts/Panel.tsx'
import { worded } from '../../words/messages.ts'
import { count, duration, t } from '../../words/words.ts'
import { tested } from './tested.ts'

const PROVIDER = { ok: 'succeeded', failing: 'failed', incomplete: 'failed', unused: 'queued' } as const

/** What came of the last test of a provider. */
type Told = { look: 'queued' | 'succeeded' | 'failed'; text: string }

export function Providers({ data }: { data: System }) {
  const may = useMay()
  const [told, setTold] = useState<Record<string, Told>>({})
  const test = async (name: string) => {
    setTold(now => ({ ...now, [name]: { look: 'queued', text: '…' } }))
    const { ok, text } = await tested(name)
    setTold(now => ({ ...now, [name]: { look: ok ? 'succeeded' : 'failed', text } }))
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
                const said = told[one.name]
                const note = said?.text ?? worded(one.lacks, one.error ?? '')
                return (
                  <tr key={one.name} title={note}>
                    <td className="strong cut" title={one.name}>
                      {one.name.replace(/^.*\//, '')}
                    </td>
                    <td>
                      <Status
                        status={said?.look ?? PROVIDER[one.state]}
                        word={said?.text ?? t(`provider.${one.state}`)}
                      />
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
