import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, get, post } from '../../api/client.ts'
import type { RunDetail, RunShare } from '../../api/types.ts'
import { Dialog } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Loaded, Refused } from '../../parts/Panel.tsx'
import { Once, Revocable } from '../../parts/Secrets.tsx'
import { useAction } from '../../parts/useAction.ts'
import { visible } from '../../words/visible.ts'
import { t, tn, when } from '../../words/words.ts'

/** The links that show a run without signing in: a new one, whose address is shown once, and those that work. */
export default function ShareRun({ run, close }: { run: RunDetail; close: () => void }) {
  const queryKey = ['shares', run.id]
  const path = `runs/${run.id}/shares`
  const cache = useQueryClient()
  const shares = useQuery({
    queryKey,
    queryFn: () =>
      get<{ data: RunShare[] }>(path).then(page => page.data.map(one => ({ ...one, used_at: one.opened_at }))),
  })
  const [made, setMade] = useState<RunShare>()
  const action = useAction()
  const act = (what: Promise<RunShare | undefined>) =>
    action.act(async () => {
      setMade(await what)
      await cache.invalidateQueries({ queryKey })
    })
  return (
    <Dialog label={t('share.title')} close={close} heading={null}>
      <div className="in stack dialogbody">
        <p className="dim">{t('share.text')}</p>
        {made?.url && <Once text={made.url} />}
        <Refused wrong={action.wrong} />
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
              <Revocable
                list={list}
                name={share => share.id.slice(0, 4)}
                cells={share => (
                  <>
                    <td className="cut">{visible(share.made_by)}</td>
                    <td className="dim">{t('strip.until', { at: when(share.expires_at) })}</td>
                  </>
                )}
                revoke={share => void act(call<undefined>('DELETE', `${path}/${share.id}`))}
              />
            )
          }
        </Loaded>
      </div>
    </Dialog>
  )
}
