import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { get, post } from '../../api/client.ts'
import type { AppDetail, EnvironmentVariable } from '../../api/types.ts'
import { Loaded, Panel, Refused } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { visible } from '../../words/visible.ts'
import { t } from '../../words/words.ts'

type All = { data: EnvironmentVariable[] }

/** Values of environment variables: those of the file, and what was set in their place. Secrets are masked. */
export function Environment({ app }: { app: AppDetail }) {
  const cache = useQueryClient()
  const key = ['environment', app.id, app.version.workflow_id]
  const path = `apps/${app.id}/environment`
  const all = useQuery({ queryKey: key, queryFn: () => get<All>(path) })
  const [open, setOpen] = useState('')
  const { busy, wrong, act } = useAction()
  const change = (what: { values?: Record<string, string>; unset?: string[] }) =>
    act(async () => {
      cache.setQueryData(key, await post<All>(path, what))
      setOpen('')
    })
  const save = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    void change({ values: { [open]: String(new FormData(event.currentTarget).get('value') ?? '') } })
  }
  if (all.data?.data.length === 0) return null
  return (
    <Panel title={t('env.title')} plain>
      <Refused wrong={wrong} />
      <Loaded of={all} rows={2}>
        {({ data }) => (
          <>
            <ul className="env">
              {data.map(one => (
                <li key={one.name}>
                  <span className="mono strong cut">{one.name}</span>
                  <span className="faint small">
                    {t(one.is_set ? 'env.set' : one.value === '' ? 'env.empty' : 'env.of_file')}
                  </span>
                  <span className="row">
                    {one.is_set && (
                      <button
                        type="button"
                        className="btn plain small"
                        aria-label={t('env.back', { name: one.name })}
                        disabled={busy}
                        onClick={() => void change({ unset: [one.name] })}
                      >
                        {t('env.back.word')}
                      </button>
                    )}
                    <button
                      type="button"
                      className="btn plain small"
                      aria-label={t('env.change', { name: one.name })}
                      aria-expanded={open === one.name}
                      onClick={() => setOpen(open === one.name ? '' : one.name)}
                    >
                      {t('env.change.word')}
                    </button>
                  </span>
                  {one.overruled_by && (
                    <p className="whole small warn">{t('env.overruled', { place: one.overruled_by })}</p>
                  )}
                  {open === one.name ? (
                    <form className="row whole" onSubmit={save}>
                      <input
                        // biome-ignore lint/a11y/noAutofocus: the button that was pressed opens this field
                        autoFocus
                        name="value"
                        className="grow mono"
                        type={one.type === 'secret' ? 'password' : 'text'}
                        inputMode={one.type === 'number' ? 'decimal' : undefined}
                        autoComplete="off"
                        defaultValue={one.type === 'secret' ? '' : String(one.value)}
                        aria-label={t('env.value', { name: one.name })}
                        onKeyDown={event => event.key === 'Escape' && setOpen('')}
                      />
                      <button type="submit" className="btn" disabled={busy}>
                        {t('env.save')}
                      </button>
                    </form>
                  ) : (
                    one.value !== '' && <bdi className="mono dim cut whole">{visible(String(one.value))}</bdi>
                  )}
                </li>
              ))}
            </ul>
            <p className="empty faint small">{t('env.holds')}</p>
          </>
        )}
      </Loaded>
    </Panel>
  )
}
