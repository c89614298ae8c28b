import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { post, remove } from '../../api/client.ts'
import { useTokens } from '../../api/queries.ts'
import type { Role, Token } from '../../api/types.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Loaded, Panel, Refused } from '../../parts/Panel.tsx'
import { Once, Revocable } from '../../parts/Secrets.tsx'
import { useAction } from '../../parts/useAction.ts'
import { day, t } from '../../words/words.ts'

/** Tokens that open the console. */
export function Who() {
  const tokens = useTokens(true)
  const cache = useQueryClient()
  const [made, setMade] = useState('')
  const action = useAction()
  const act = (what: Promise<unknown>) =>
    action.act(async () => {
      setMade(((await what) as Token | undefined)?.token ?? '')
      await cache.invalidateQueries({ queryKey: ['tokens'] })
    })
  const make = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    void act(post('tokens', { name: String(form.get('name')).trim(), role: String(form.get('role')) as Role }))
    event.currentTarget.reset()
  }
  return (
    <Panel title={t('who')} plain>
      {made && <Once text={made} />}
      <Refused wrong={action.wrong} />
      <Loaded of={tokens} rows={2} none={t('who.none')}>
        {list => (
          <Revocable
            list={list}
            name={token => token.name}
            cells={token => (
              <>
                <td className="strong">{token.name}</td>
                <td>
                  <span className="tag">{t(`role.${token.role}`)}</span>
                </td>
                <td className="mono dim hide">{token.hint}</td>
                <td className="dim hide">{day(token.created_at)}</td>
              </>
            )}
            revoke={token => void act(remove(`tokens/${token.id}`))}
            text={t('who.revoke')}
          />
        )}
      </Loaded>
      <form className="row in make" onSubmit={make}>
        <input
          type="text"
          name="name"
          required
          maxLength={64}
          placeholder={t('who.name')}
          aria-label={t('who.name')}
          className="grow"
        />
        <select name="role" aria-label={t('who.role')} defaultValue="viewer">
          <option value="viewer">{t('role.viewer')}</option>
          <option value="operator">{t('role.operator')}</option>
        </select>
        <button type="submit" className="btn">
          <Icon name="plus" small />
          {t('who.new')}
        </button>
      </form>
    </Panel>
  )
}
