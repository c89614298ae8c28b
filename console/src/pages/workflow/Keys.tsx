import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { post, remove } from '../../api/client.ts'
import { useKeys } from '../../api/queries.ts'
import type { AppDetail } from '../../api/types.ts'
import { Confirm } from '../../parts/Dialog.tsx'
import { Icon } from '../../parts/Icon.tsx'
import { Loaded, Panel, Refused } from '../../parts/Panel.tsx'
import { Once, Revocable } from '../../parts/Secrets.tsx'
import { useAction } from '../../parts/useAction.ts'
import { day, t } from '../../words/words.ts'

/** The keys of an app: a new one is shown once. */
export function Keys({ app }: { app: AppDetail }) {
  const keys = useKeys(app.id, true)
  const cache = useQueryClient()
  const [made, setMade] = useState('')
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
          <Revocable
            list={list}
            name={key => key.hint}
            cells={key => (
              <>
                <td className="mono">{key.hint}</td>
                <td className="dim">{day(key.created_at)}</td>
              </>
            )}
            revoke={key => void act(remove(`apps/${app.id}/keys/${key.id}`))}
            text={t('keys.revoke.text')}
          />
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
    </Panel>
  )
}
