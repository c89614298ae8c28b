import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import { post } from '../../api/client.ts'
import { useApps } from '../../api/queries.ts'
import type { Mend } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Code } from '../../parts/Code.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Empty, errorText, Panel } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { worded } from '../../words/messages.ts'
import { visible } from '../../words/visible.ts'
import { t, tn, type Word } from '../../words/words.ts'
import { tested } from './tested.ts'

const ABOUT: Readonly<Record<string, Word>> = {
  workflow: 'runs.workflow',
  provider: 'about.provider',
  callbacks: 'callbacks',
  disk: 'about.disk',
  sandbox: 'system.sandbox',
  models: 'about.models',
  nodes: 'workflows.nodes',
  'data folder': 'about.folder',
  'open files': 'about.open_files',
  files: 'about.files',
  tools: 'system.tools',
  plugins: 'system.plugins',
}
const about = (what: string): string => {
  const word = ABOUT[what]
  return word ? t(word) : what
}

const LEVEL = { error: 'failed', warning: 'partial' } as const

/** What is wrong, whom it hits, what mends it, and a button that tries. */
export function Diagnostics({ list }: { list: readonly Mend[] }) {
  const apps = useApps()
  const may = useMay()
  const name = (id: string) => apps.data?.find(app => app.id === id)?.name ?? id
  return (
    <Panel title={t('system.mend')} plain beside={<span className="badge">{list.length}</span>}>
      {list.length === 0 && <Empty>{t('system.well')}</Empty>}
      {list.map((one, index) => (
        <div key={index} className="mend">
          <span className={`st st-${LEVEL[one.level]}`} title={t(`level.${one.level}`)}>
            <Icon name={LEVEL[one.level]} />
            <span className="sr">{t(`level.${one.level}`)}</span>
          </span>
          <div>
            <b>{about(one.about)}</b> <Code text={worded(one, one.text)} />
            {one.apps.length > 0 && (
              <div className="dim">
                {t('system.hits')}{' '}
                {one.apps.slice(0, 5).map((id, at) => (
                  <span key={id}>
                    {at > 0 && ', '}
                    <Link className="under" href={`/w/${id}`}>
                      {visible(name(id))}
                    </Link>
                  </span>
                ))}
                {one.apps.length > 5 && ` ${tn('system.more', one.apps.length - 5)}`}
              </div>
            )}
          </div>
          {may && <Act on={one} />}
          {one.mend && (
            <p className="todo">
              <Code text={worded(one.remedy, one.mend)} />
            </p>
          )}
          {one.paste && <Paste text={one.paste} />}
        </div>
      ))}
    </Panel>
  )
}

/** Lines for a terminal or a file, and a button that copies them. */
const Paste = ({ text }: { text: string }) => (
  <div className="paste">
    <pre className="code">{visible(text)}</pre>
    <Copy text={text} label={t('copy')} />
  </div>
)

/** Asks the provider whether it answers now, or has the callbacks delivered again. */
function Act({ on }: { on: Mend }) {
  const cache = useQueryClient()
  const { busy, act } = useAction()
  const [said, setSaid] = useState<{ ok: boolean; text: string } | null>(null)
  const { provider } = on
  const mend = async () => {
    setSaid(null)
    if (provider) return setSaid(await tested(provider))
    await post('callbacks/resend').catch(error => setSaid({ ok: false, text: errorText(error) }))
    await Promise.all(['system', 'callbacks'].map(key => cache.invalidateQueries({ queryKey: [key] })))
  }
  if (!provider && on.about !== 'callbacks') return null
  return (
    <>
      <button
        type="button"
        className="btn small act"
        aria-label={provider ? t('system.test_one', { name: provider }) : t('callbacks.resend_all')}
        disabled={busy}
        onClick={() => void act(mend)}
      >
        {t(provider ? 'system.test_key' : 'callbacks.resend')}
      </button>
      {said && (
        <p className={`todo st st-${said.ok ? 'succeeded' : 'failed'}`} role="status">
          <Icon name={said.ok ? 'succeeded' : 'failed'} small />
          <span className="cut" title={said.text}>
            {said.text}
          </span>
        </p>
      )}
    </>
  )
}
