import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { post } from '../../api/client.ts'
import { useApp, useDiff } from '../../api/queries.ts'
import type { AppDetail, Version } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Chooser } from '../../parts/Chooser.tsx'
import { Dialog } from '../../parts/Dialog.tsx'
import { Loaded, Panel, Refused, Skeleton } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { t, tn, when } from '../../words/words.ts'

const Difference = lazy(() => import('../../graph/Difference.tsx'))

/** All versions, the newest first. An older one can be compared, and be made the current one again. */
export function Versions({
  app,
  versions,
  compare,
}: {
  app: AppDetail
  versions: readonly Version[]
  compare: (pair: string) => void
}) {
  const may = useMay()
  const cache = useQueryClient()
  const { wrong, act } = useAction()
  const [all, setAll] = useState(false)
  const current = app.version.workflow_id
  const publish = (version: Version) =>
    act(async () => {
      await post(`apps/${app.id}/versions/${version.workflow_id}/publish`)
      await cache.invalidateQueries()
    })
  const shown = all ? versions : versions.slice(0, 5)
  return (
    <Panel title={t('versions')} plain beside={<span className="badge">{versions.length}</span>}>
      <Refused wrong={wrong} />
      <table className="auto versions">
        <tbody>
          {shown.map((version, index) => {
            const before = versions[versions.indexOf(version) + 1]
            return (
              <tr key={`${version.workflow_id} ${index}`}>
                <td className="strong">{t('version', { n: version.number })}</td>
                <td className="dim num hide">{when(version.published_at)}</td>
                <td>{version.workflow_id === current && <span className="tag">{t('versions.current')}</span>}</td>
                <td className="right">
                  {before && (
                    <button
                      type="button"
                      className="btn plain small"
                      onClick={() => compare(`${before.workflow_id}..${version.workflow_id}`)}
                    >
                      {t('versions.changes')}
                    </button>
                  )}
                  {may && version.workflow_id !== current && (
                    <button type="button" className="btn plain small" onClick={() => void publish(version)}>
                      {t('versions.publish')}
                    </button>
                  )}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
      {versions.length > shown.length && (
        <p className="empty">
          <button type="button" className="btn small" onClick={() => setAll(true)}>
            {tn('versions.more', versions.length - shown.length)}
          </button>
        </p>
      )}
    </Panel>
  )
}

/** What changed between two versions: `from..to` by their ids, or the last two. */
export function Compare(props: {
  app: AppDetail
  versions: readonly Version[]
  pair: string
  choose: (pair: string) => void
  close: () => void
}) {
  const { app, versions, pair, choose } = props
  const [from = '', to = ''] = pair === 'last' ? [versions[1]?.workflow_id, versions[0]?.workflow_id] : pair.split('..')
  const diff = useDiff(app.id, from, to)
  const [before, now] = [useApp(app.id, from), useApp(app.id, to)]
  const select = (value: string, label: string, set: (id: string) => void) => (
    <Chooser
      value={value}
      label={label}
      set={set}
      options={versions.map(one => [one.workflow_id, t('version', { n: one.number })] as const)}
    />
  )
  return (
    <Dialog
      label={t('compare.title')}
      close={props.close}
      className="wide full"
      heading={
        <span className="row">
          {select(from, t('compare.from'), id => choose(`${id}..${to}`))}→
          {select(to, t('compare.to'), id => choose(`${from}..${id}`))}
        </span>
      }
    >
      <Loaded of={diff} rows={8}>
        {data => (
          <Loaded of={now} rows={8}>
            {({ graph, problems }) => (
              <Suspense fallback={<Skeleton rows={8} />}>
                <Difference app={app.id} before={before.data?.graph} now={graph} diff={data} problems={problems} />
              </Suspense>
            )}
          </Loaded>
        )}
      </Loaded>
    </Dialog>
  )
}
