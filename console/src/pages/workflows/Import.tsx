import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { call } from '../../api/client.ts'
import type { Imported, UploadedApp } from '../../api/types.ts'
import { Changes } from '../../parts/Changes.tsx'
import { Dialog } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Failure, Skeleton } from '../../parts/Panel.tsx'
import { Problems } from '../../parts/Problems.tsx'
import { visible } from '../../words/visible.ts'
import { t, tn } from '../../words/words.ts'

/** Takes workflow files: what is wrong with them first, then they are published. */
export function Import({ files, close }: { files: readonly File[]; close: () => void }) {
  const cache = useQueryClient()
  const [chosen, setChosen] = useState<readonly File[]>(files)
  const [found, setFound] = useState<Imported[] | null>(null)
  const [done, setDone] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const send = async (list: readonly File[], dry: boolean) => {
    setBusy(true)
    setError(null)
    try {
      const form = new FormData()
      for (const file of list) form.append('files', file)
      const answer = await call<{ data: Imported[] }>('POST', 'apps', { form, query: { dry_run: dry } })
      setFound(answer.data)
      setDone(!dry)
      // Workflows, versions, and what a run can be repeated by.
      if (!dry) await cache.invalidateQueries()
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  const check = useRef(send)
  check.current = send
  useEffect(() => {
    if (chosen.length > 0) void check.current(chosen, true)
  }, [chosen])
  const errors = (found ?? []).flatMap(one => one.problems).filter(problem => problem.level === 'error').length
  return (
    <Dialog label={t('import')} close={close} heading={null}>
      <div className="in stack dialogbody">
        {!done && (
          <label className="drop dim">
            <Icon name="upload" />
            {chosen.length > 0 ? chosen.map(file => visible(file.name)).join(', ') : t('import.choose')}
            <input
              type="file"
              className="sr"
              multiple
              accept=".yml,.yaml,.json,.difypkg"
              aria-label={t('import.choose')}
              onChange={event => setChosen([...(event.target.files ?? [])])}
            />
          </label>
        )}
        {error !== null && <Failure error={error} again={() => void send(chosen, true)} />}
        {busy && !found && <Skeleton rows={2} />}
        {(found ?? []).map(one => (
          <section key={one.file} className="panel">
            <header>
              <h3 className="cut grow">{visible(one.name ?? one.file)}</h3>
              {done && one.app_id && (
                <Link className="btn small" href={`/w/${one.app_id}`} onClick={close}>
                  {t('workflows.open')}
                </Link>
              )}
            </header>
            {!done && one.name && <Becomes file={chosen.find(file => file.name === one.file)} name={one.name} />}
            <Problems problems={one.problems} />
          </section>
        ))}
        <div className="row">
          <span className="grow dim">{found && !done && errors > 0 ? tn('import.errors', errors) : ''}</span>
          <button type="button" className="btn" onClick={close}>
            {t(done ? 'close' : 'cancel')}
          </button>
          {!done && (
            <button
              type="button"
              className="btn main"
              disabled={busy || !found || errors > 0}
              onClick={() => void send(chosen, false)}
            >
              {t('import.publish')}
            </button>
          )}
        </div>
      </div>
    </Dialog>
  )
}

/** What a file is going to be: a new workflow, or a version that differs so. */
function Becomes({ file, name }: { file: File | undefined; name: string }) {
  const trial = useQuery({
    queryKey: ['trial', name, file?.name, file?.lastModified, file?.size],
    queryFn: () =>
      call<UploadedApp>('PUT', `apps/${encodeURIComponent(name)}`, {
        query: { dry_run: 1 },
        ...(file ? { file } : {}),
        headers: { 'Content-Type': 'application/yaml' },
      }),
    enabled: file !== undefined,
    // What is refused has its reasons among the problems.
    retry: false,
  })
  const { data } = trial
  if (!data || data.outcome === 'refused') return null
  const n = data.version?.number ?? 0
  return (
    <>
      <p className="in dim">
        {data.outcome === 'new'
          ? t('import.new')
          : data.outcome === 'unchanged'
            ? t('import.unchanged', { n })
            : t('import.changed', { n })}
      </p>
      {data.difference && data.outcome === 'changed' && (
        <div className="diff">
          <Changes diff={data.difference} />
        </div>
      )}
    </>
  )
}
