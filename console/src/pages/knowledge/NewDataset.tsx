import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useLocation } from 'wouter'
import { post } from '../../api/client.ts'
import type { Dataset } from '../../api/types.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Refused } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { t } from '../../words/words.ts'

/** Makes a dataset of a name, and leads to its page, which takes documents. */
export function NewDataset() {
  const cache = useQueryClient()
  const [, to] = useLocation()
  const [name, setName] = useState('')
  const { busy, wrong, act } = useAction()
  const make = (event: FormEvent) => {
    event.preventDefault()
    void act(async () => {
      const { id } = await post<Dataset>('datasets', { name: name.trim() })
      await cache.invalidateQueries({ queryKey: ['datasets'] })
      to(`/knowledge/${id}`)
    })
  }
  return (
    <>
      <Refused wrong={wrong} />
      <form className="row in" onSubmit={make}>
        <input
          type="text"
          className="grow"
          maxLength={40}
          aria-label={t('knowledge.name')}
          placeholder={t('knowledge.name')}
          value={name}
          onChange={event => setName(event.target.value)}
        />
        <button type="submit" className="btn main" disabled={busy || !name.trim()}>
          <Icon name="plus" small />
          {t('knowledge.make')}
        </button>
      </form>
    </>
  )
}
