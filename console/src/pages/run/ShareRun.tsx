import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, get, post } from '../../api/client.ts'
import type { RunDetail, RunShare } from '../../api/types.ts'
import { Dialog } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { errorText, Loaded } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { ago, t, tn, when } from '../../words/words.ts'
import { Once } from '../workflow/Keys.tsx'

/** The links that show a run without signing in: a new one, whose address is shown once, and those that work. */
export default function ShareRun({ run, close }: { run: RunDetail; close: () => void }) {
  const queryKey = ['shares', run.id]
  const path = `runs/${run.id}/shares`
  const cache = useQueryClient()
  const shares = useQuery({ queryKey, queryFn: () => get<{ data: RunShare[] }>(path).then(page => page.data) })
  const [made, setMade] = useState<RunShare>()
  const [error, setError] = useState('')
  const act = async (what: Promise<RunShare | undefined>) => {
    setError('')
    try {
      setMade(await what)
    } catch (failure) {
      setError(errorText(failure))
    }
    await cache.invalidateQueries({ queryKey })
  }
  return (
    <Dialog label={t('share.title')} close={close} heading={null}>
      <div className="in stack dialogbody">
        <p className="dim">{t('share.text')}</p>
        {made?.url && <Once text={made.url} />}
        {error && (
          <p className="bad" role="alert">
            {error}
          </p>
        )}
        <form
          className="row"
          onSubmit={event => {
            event.preventDefault()
            void act(post<RunShare>(path, { days: Number(new FormData(event.currentTarget).get('days')) }))
          }}
        >
          <label className="row grow">
            {t('share.days')}
            <select name="days" defaultValue="7">
              {[1, 3, 7].map(days => (
                <option key={days} value={days}>
                  {tn('detail.days', days)}
                </option>
              ))}
            </select>
          </label>
          <button type="submit" className="btn main">
            <Icon name="plus" small />
            {t('share.new')}
          </button>
        </form>
        <Loaded of={shares} rows={2}>
          {list =>
            list.length > 0 && (
              <table className="auto">
                <tbody>
                  {list.map(share => (
                    <tr key={share.id}>
                      <td className="cut">{visible(share.made_by)}</td>
                      <td className="dim">{t('strip.until', { at: when(share.expires_at) })}</td>
                      <td className="dim hide">
                        {share.opened_at ? t('keys.used', { ago: ago(share.opened_at) }) : t('keys.unused')}
                      </td>
                      <td className="right">
                        <button
                          type="button"
                          className="btn plain small bad"
                          aria-label={t('keys.revoke_one', { name: share.id.slice(0, 4) })}
                          onClick={() => void act(call<undefined>('DELETE', `${path}/${share.id}`))}
                        >
                          {t('keys.revoke')}
                        </button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )
          }
        </Loaded>
      </div>
    </Dialog>
  )
}
