import { useQueryClient } from '@tanstack/react-query'
import { useLocation } from 'wouter'
import { call } from '../../api/client.ts'
import type { UploadedApp } from '../../api/types.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Failure, PartMissing } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { t } from '../../words/words.ts'

/** By its name it is one app, however often it is asked for. */
const NAME = 'Example quote'

/** An example to try: publishes it, and opens its form. */
export function Example() {
  const cache = useQueryClient()
  const [, to] = useLocation()
  const { busy, error, act } = useAction()
  const begin = async () => {
    const { default: file } = await import('./example.yml?raw').catch(() => {
      throw new PartMissing()
    })
    const published = await call<UploadedApp>('PUT', `apps/${encodeURIComponent(NAME)}`, {
      file: new Blob([file]),
      headers: { 'Content-Type': 'application/yaml' },
    })
    await cache.invalidateQueries({ queryKey: ['apps'] })
    to(`/w/${published.app_id}?try=1`)
  }
  return (
    <>
      <p>{t('example.text')}</p>
      <div className="row">
        <button type="button" className="btn" disabled={busy} onClick={() => void act(begin)}>
          <Icon name="play" small />
          {t('example.try')}
        </button>
      </div>
      {error !== null && <Failure error={error} />}
    </>
  )
}
