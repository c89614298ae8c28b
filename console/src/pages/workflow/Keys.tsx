import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { post, remove } from '../../api/client.ts'
import { useKeys } from '../../api/queries.ts'
import type { AppDetail, Key } from '../../api/types.ts'
import { Copy } from '../../parts/copy.tsx'
import { Confirm } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Loaded, Panel, Refused } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { ago, day, t } from '../../words/words.ts'

/** The keys of an app: a new one is shown once. */
export function Keys({ app }: { app: AppDetail }) {
  const keys = useKeys(app.id, true)
  const cache = useQueryClient()
  const [made, setMade] = useState('')
  const [gone, setGone] = useState<Key | null>(null)
  const [asking, setAsking] = useState(false)
  const action = useAction()
  const act = (what: Promise<unknown>) =>
    action.act(async () => {
      const answer = (await what) as { key?: string; secret?: string } | undefined
      setMade(answer?.key ?? answer?.secret ?? '')
      await cache.invalidateQueries({ queryKey: ['keys', app.id] })
    })
  return (
    <Panel
      title={t('keys.of_app')}
      plain
      beside={
        <button type="button" className="btn small more" onClick={() => void act(post(`apps/${app.id}/keys`))}>
          <Icon name="plus" small />
          {t('keys.new_key')}
        </button>
      }
    >
      {made && <Once text={made} />}
      <Refused wrong={action.wrong} />
      <Loaded of={keys} rows={2} none={t('keys.none')}>
        {list => (
          <table className="auto">
            <tbody>
              {list.map(key => (
                <tr key={key.id}>
                  <td className="mono">{key.hint}</td>
                  <td className="dim">{day(key.created_at)}</td>
                  <td className="dim hide">
                    {key.used_at ? t('keys.used', { ago: ago(key.used_at) }) : t('keys.unused')}
                  </td>
                  <td className="right">
                    <button
                      type="button"
                      className="btn plain small bad"
                      aria-label={t('keys.revoke_one', { name: key.hint })}
                      onClick={() => setGone(key)}
                    >
                      {t('keys.revoke')}
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Loaded>
      <p className="empty">
        <button type="button" className="btn plain small" onClick={() => setAsking(true)}>
          {t('keys.webhook')}
        </button>
      </p>
      {asking && (
        <Confirm
          label={t('keys.webhook')}
          text={t('keys.webhook.text')}
          action={t('keys.webhook.make')}
          close={() => setAsking(false)}
          act={() => void act(post(`apps/${app.id}/webhook-secret`))}
        />
      )}
      {gone && (
        <Confirm
          label={t('keys.revoke_one', { name: gone.hint })}
          text={t('keys.revoke.text')}
          action={t('keys.revoke')}
          close={() => setGone(null)}
          act={() => void act(remove(`apps/${app.id}/keys/${gone.id}`))}
        />
      )}
    </Panel>
  )
}

/** A secret that is shown this one time. */
export const Once = ({ text }: { text: string }) => (
  <div className="once" role="status">
    <p className="dim">{t('once')}</p>
    <div className="cmd">
      <code className="grow cut">{text}</code>
      <Copy text={text} label={t('copy')} />
    </div>
  </div>
)
