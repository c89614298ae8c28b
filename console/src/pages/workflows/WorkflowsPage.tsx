import { useEffect, useState } from 'react'
import { Link } from 'wouter'
import { useApps, useOverview } from '../../api/queries.ts'
import type { App, Counts } from '../../api/types.ts'
import { useAddress } from '../../app/address.ts'
import { useMay, useWho } from '../../app/Shell.tsx'
import { useTitle } from '../../app/title.ts'
import { useByUse } from '../../parts/Chooser.tsx'
import { Code } from '../../parts/Code.tsx'
import { AppIcon, Icon } from '../../parts/Icon.tsx'
import { Empty, Loaded } from '../../parts/Panel.tsx'
import { Ticks } from '../../parts/Ticks.tsx'
import { ago, costs, count, duration, moment, percent, t, tn, type Word, whyNoCost } from '../../words/words.ts'
import { Example } from './Example.tsx'
import Import, { Drop } from './Import.tsx'
import '../../../styles/workflows.css'
import { visible } from '../../words/visible.ts'

export default function WorkflowsPage() {
  useTitle(t('page.workflows'))
  const may = useMay()
  const mayPublish = useWho().scopes.includes('apps:write') && may
  const apps = useApps()
  const [read, change] = useAddress()
  const [dropped, setDropped] = useState<File[] | null>(null)
  const filter = read('q').toLowerCase()
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const files = pasted(event)
      if (may && files.length > 0) setDropped(files)
    }
    document.addEventListener('paste', paste)
    return () => document.removeEventListener('paste', paste)
  }, [may])
  return (
    <main
      id="main"
      className="page workflows"
      onDragOver={event => may && event.preventDefault()}
      onDrop={event => {
        if (!may) return
        event.preventDefault()
        setDropped([...event.dataTransfer.files])
      }}
    >
      <div className="head">
        <h1>{t('page.workflows')}</h1>
        <span className="more" />
        <div className="filter">
          <input
            type="search"
            placeholder={t('workflows.filter')}
            aria-label={t('workflows.filter.label')}
            value={read('q')}
            onChange={event => change({ q: event.target.value || undefined })}
          />
        </div>
        {may && (
          <button type="button" className="btn main" onClick={() => setDropped([])}>
            <Icon name="plus" />
            {t('import')}
          </button>
        )}
      </div>
      <Facts />
      <div className="panel scroll">
        <Loaded of={apps} rows={6} height={56}>
          {data => {
            const list = data.filter(app => `${app.name} ${visible(app.description)}`.toLowerCase().includes(filter))
            if (data.length === 0)
              return (
                <div className="empty dim stack">
                  <p>
                    <Code text={t('workflows.none')} />
                  </p>
                  {may && <Drop choose={setDropped}>{t('import.drop')}</Drop>}
                  {mayPublish && <Example />}
                </div>
              )
            if (list.length === 0) return <Empty>{t('workflows.none_here')}</Empty>
            return <List apps={list} all={data} />
          }}
        </Loaded>
      </div>
      {dropped && <Import files={dropped} choose={setDropped} close={() => setDropped(null)} />}
    </main>
  )
}

/** How a text names what only workflow files have. */
const OF_FILES = /(^|[\s{"'])(app|workflow|model_config)["']?\s*:/

/** The files of a clipboard, or its text if it looks like one; a field takes its text itself. */
function pasted({ clipboardData: data, target }: ClipboardEvent): File[] {
  const isField = target instanceof HTMLElement && target.matches('input:not([type=file]), textarea')
  const text = data?.getData('text/plain') ?? ''
  const files = [...(data?.files ?? [])]
  return files.length > 0 || isField || !OF_FILES.test(text) ? files : [new File([text], 'workflow.yml')]
}

function Facts() {
  const { data } = useOverview()
  const done = succeeded(data?.day.by_status ?? {})
  const facts: [Word, string, string?][] = [
    ['facts.running', data ? count(data.running) : '–', 'running'],
    ['facts.paused', data ? count(data.paused) : '–', 'paused'],
    ['facts.runs', data ? count(data.day.runs) : '–'],
    ['facts.succeeded', done === undefined ? '–' : percent(done)],
    ['facts.cost', data ? costs(data.day.runs, data.day.cost) : '–'],
  ]
  return (
    <dl className="facts">
      {facts.map(([word, value, icon]) => (
        <div key={word} title={word === 'facts.cost' && data ? whyNoCost(value) : undefined}>
          <dt>{t(word)}</dt>
          <dd className="n">
            {icon && (
              <span className={`st st-${icon}`}>
                <Icon name={icon} />
              </span>
            )}
            {value}
          </dd>
        </div>
      ))}
    </dl>
  )
}

/** Which share of the runs that ended did so well; undefined while none has. */
function succeeded(counts: Counts): number | undefined {
  const good = (counts.succeeded ?? 0) + (counts['partial-succeeded'] ?? 0)
  const all = good + (counts.failed ?? 0) + (counts.stopped ?? 0)
  return all === 0 ? undefined : good / all
}

const CHATS = ['advanced-chat', 'chat', 'agent-chat']

function List({ apps, all }: { apps: readonly App[]; all: readonly App[] }) {
  const rows = useByUse(all).filter(app => apps.includes(app))
  return (
    <table className="cards">
      <thead>
        <tr>
          <th>{t('runs.workflow')}</th>
          <th className="c-kind">{t('workflows.kind')}</th>
          <th className="c-nodes right">{t('workflows.nodes')}</th>
          <th className="c-last">{t('workflows.last')}</th>
          <th className="c-n right">{t('workflows.day')}</th>
          <th className="c-n right">{t('workflows.succeed')}</th>
          <th className="c-n right">{t('rounds.median')}</th>
          <th className="c-n right">{t('rounds.p95')}</th>
          <th className="c-when right">{t('workflows.last_run')}</th>
          <th className="c-run">
            <span className="sr">{t('runs.run')}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(app => (
          <Row key={app.id} app={app} />
        ))}
      </tbody>
    </table>
  )
}

const dash = <span className="faint">–</span>

function Row({ app }: { app: App }) {
  const who = useWho()
  const problems = app.problems.errors + app.problems.warnings
  const ok = succeeded(app.day.by_status)
  const chat = CHATS.includes(app.mode)
  return (
    <tr>
      <td className="name">
        <Link className="rowlink" href={`/w/${app.id}`}>
          <span className="wname">
            <AppIcon icon={app.icon} />
            <span className="grow">
              <span className="row">
                <span className="t cut" dir="auto">
                  {visible(app.name)}
                </span>
                {problems > 0 && (
                  <span className="warn">
                    <Icon name="partial" small />
                    {tn('problems', problems)}
                  </span>
                )}
              </span>
              <span className="about cut" dir="auto">
                {visible(app.description)}
              </span>
            </span>
          </span>
        </Link>
      </td>
      <td className="dim hide">{t(chat ? 'kind.chat' : app.mode === 'workflow' ? 'kind.workflow' : 'kind.app')}</td>
      <td className="num right dim hide">{count(app.nodes)}</td>
      <td>
        {app.last_runs.length > 0 ? (
          <Ticks runs={app.last_runs} />
        ) : (
          <span className="faint only-large">{t('workflows.no_runs')}</span>
        )}
      </td>
      <td className="num right hide">{app.day.runs ? count(app.day.runs) : dash}</td>
      <td className={`num right hide ${ok !== undefined && ok < 0.9 ? 'strong bad' : ''}`}>
        {ok === undefined ? dash : percent(ok)}
      </td>
      <td className="num right hide">{duration(app.day.p50) || dash}</td>
      <td className="num right dim hide">{duration(app.day.p95) || dash}</td>
      <td className="num right dim hide" title={app.last_at ? moment(app.last_at) : ''}>
        {app.last_at ? ago(app.last_at) : t('workflows.never')}
      </td>
      <td className="right">
        <Link className="btn small" href={chat && who.features.chat ? `/chat/${app.id}` : `/w/${app.id}`}>
          <Icon name={chat ? 'chat' : who.role === 'operator' ? 'play' : 'flows'} small />
          {t(
            chat && who.features.chat ? 'page.chat' : who.role === 'operator' && !chat ? 'runs.run' : 'workflows.open',
          )}
        </Link>
      </td>
    </tr>
  )
}
