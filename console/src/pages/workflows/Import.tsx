import { useQueryClient } from '@tanstack/react-query'
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { ApiError, call, type Options, type Query } from '../../api/client.ts'
import { useApp, useVersions } from '../../api/queries.ts'
import type { Imported, UploadedApp } from '../../api/types.ts'
import { Dialog } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Boundary, errorText, Failure, Skeleton } from '../../parts/Panel.tsx'
import { Problems } from '../../parts/Problems.tsx'
import { useAction } from '../../parts/useAction.ts'
import { visible } from '../../words/visible.ts'
import { listed, t, tn } from '../../words/words.ts'
import '../../../styles/workflows.css'

const Difference = lazy(() => import('../../graph/Difference.tsx'))

type Props = { files: readonly File[]; choose: (files: File[]) => void; close: () => void }
/** `trial`: what publishing it would do; not there where its name has a slash, or its name or kind is refused. */
type Found = Partial<Imported> & Pick<Imported, 'problems'> & { trial?: UploadedApp | undefined }
type Step = 'look' | 'keep' | 'publish'

/** Takes workflow files: what they change and what is wrong with them first, then they are imported. */
export default function Import({ files, choose, close }: Props) {
  const cache = useQueryClient()
  const [found, setFound] = useState<Found[] | null>(null)
  const [opened, open] = useState(0)
  const [done, setDone] = useState<Step>('look')
  const { busy, error, act } = useAction()
  const send = (list: readonly File[], step: Step) =>
    act(async () => {
      if (step === 'publish') {
        const all: Found[] = []
        try {
          for (const [n, one] of (found ?? []).entries()) all.push(await published(one, list[n]))
        } finally {
          await cache.invalidateQueries()
        }
        setFound(all)
      } else {
        const data = await imported(list, { dry_run: step === 'look', keep_current: step === 'keep' })
        setFound(step === 'look' ? await Promise.all(data.map((one, n) => tried(one, list[n]))) : data)
        // Workflows, versions, and what a run can be repeated by.
        if (step === 'keep') await cache.invalidateQueries()
      }
      setDone(step)
    })
  const check = useRef(send)
  check.current = send
  useEffect(() => {
    setFound(null)
    open(0)
    if (files.length > 0) void check.current(files, 'look')
  }, [files])
  const errors = (found ?? []).flatMap(one => one.problems).filter(problem => problem.level === 'error').length
  const button = (step: Step, main = '') => (
    <button
      type="button"
      className={`btn ${main}`}
      disabled={busy || !found || errors > 0 || error !== null}
      onClick={() => void send(files, step)}
    >
      {t(step === 'keep' ? 'import.keep' : 'import.publish')}
    </button>
  )
  return (
    <Dialog label={t('import')} close={close} heading={null} className={found && done === 'look' ? 'wide full' : ''}>
      <div className="in stack dialogbody">
        {done === 'look' && (
          <Drop choose={choose}>
            {files.length > 0 ? listed(files.map(file => visible(file.name))) : t('import.drop')}
          </Drop>
        )}
        {error !== null && (
          <Failure
            error={isLate(error) ? new Error(t('import.late')) : error}
            again={() => void send(files, 'look')}
            word={isLate(error) ? 'import.look' : 'again'}
          />
        )}
        {busy && !found && <Skeleton rows={2} />}
        {(found ?? []).map((one, n) => (
          <section key={n} className="panel">
            <header>
              <h3 className="cut grow">{visible(one.name ?? one.file ?? '')}</h3>
              {done === 'look' && files.length > 1 && (
                <button type="button" className="btn small" aria-expanded={n === opened} onClick={() => open(n)}>
                  {t('view.graph')}
                </button>
              )}
              {done !== 'look' && one.app_id && (
                <Link className="btn small" href={`/w/${one.app_id}`} onClick={close}>
                  {t('workflows.open')}
                </Link>
              )}
            </header>
            {done !== 'look' && one.version && (
              <p className="in dim">
                {t(done === 'keep' ? 'import.kept' : 'import.published', { n: one.version.number })}
              </p>
            )}
            {one.trial && n === opened ? <Becomes trial={one.trial} /> : <Problems problems={one.problems} />}
          </section>
        ))}
        <div className="row wrap">
          <span className="grow dim">{found && done === 'look' && errors > 0 ? tn('import.errors', errors) : ''}</span>
          <button type="button" className="btn" onClick={close}>
            {t(done === 'look' ? 'cancel' : 'close')}
          </button>
          {done === 'look' && found?.some(one => one.trial?.outcome === 'changed') && button('keep')}
          {done === 'look' && button('publish', 'main')}
        </div>
      </div>
    </Dialog>
  )
}

/** Where workflow files are chosen. The page around it takes those that are dropped. */
export const Drop = ({ choose, children }: { choose: Props['choose']; children: ReactNode }) => (
  <label className="drop dim">
    <Icon name="upload" />
    {children}
    <input
      type="file"
      className="sr"
      multiple
      accept=".yml,.yaml,.json,.difypkg"
      aria-label={t('import.choose')}
      onChange={event => choose([...(event.target.files ?? [])])}
    />
  </label>
)

const isLate = (error: unknown): boolean => error instanceof ApiError && error.code === 'version_changed'

async function imported(files: readonly File[], query: Query = {}): Promise<Imported[]> {
  const form = new FormData()
  for (const file of files) form.append('files', file)
  return (await call<{ data: Imported[] }>('POST', 'apps', { form, query })).data
}

const put = (file: File, name: string, options: Options): Promise<UploadedApp> =>
  call('PUT', `apps/${encodeURIComponent(name)}`, {
    ...options,
    file,
    headers: { 'Content-Type': 'application/yaml', ...options.headers },
  })

/** Why a file is refused is one of its problems. */
async function tried(one: Imported, file: File | undefined): Promise<Found> {
  try {
    return file && one.name && !one.name.includes('/')
      ? { ...one, trial: await put(file, one.name, { query: { dry_run: 1, graph: 1 } }) }
      : one
  } catch (error) {
    if (!(error instanceof ApiError) || ![400, 409].includes(error.status)) throw error
    const text = { problem: errorText(error), code: '', path: '', hint: '', note: '', params: {}, remedy: null }
    return { ...one, problems: [{ level: 'error', ...text }, ...one.problems] }
  }
}

/** Publishes only over the version that the difference was shown of: 412 if there is another one meanwhile. */
const published = async ({ trial, problems }: Found, file: File | undefined): Promise<Found> => {
  if (!file) return { problems }
  // An app whose name has a slash has no address.
  if (!trial) return (await imported([file]))[0] ?? { problems }
  const { version } = trial
  const headers: Record<string, string> = version ? { 'If-Match': `"${version.number}"` } : { 'If-None-Match': '*' }
  const made = await put(file, trial.name, { headers })
  return {
    name: made.name,
    problems: made.problems,
    ...(made.app_id && { app_id: made.app_id }),
    ...(made.version && { version: made.version }),
  }
}

/** What a file is going to be: a new workflow, or a version that differs so. */
function Becomes({ trial }: { trial: UploadedApp }) {
  const { outcome, version, difference, graph, problems } = trial
  const app = difference ? (trial.app_id ?? '') : ''
  const before = useApp(app, version?.workflow_id)
  const next = Math.max(version?.number ?? 0, ...(useVersions(app).data ?? []).map(one => one.number)) + 1
  return (
    <>
      <p className="in dim">{t(`import.${outcome}`, { n: version?.number ?? 0, next })}</p>
      {graph && (!difference || before.data || before.error) ? (
        <Boundary>
          <Suspense fallback={<Skeleton rows={8} />}>
            <Difference
              app={trial.app_id ?? ''}
              before={before.data?.graph}
              now={graph}
              diff={difference ?? undefined}
              problems={problems}
            />
          </Suspense>
        </Boundary>
      ) : (
        <Skeleton rows={8} />
      )}
    </>
  )
}
