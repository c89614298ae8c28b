import { useQueryClient } from '@tanstack/react-query'
import { post } from '../../api/client.ts'
import type { System } from '../../api/types.ts'
import { Code } from '../../parts/Code.tsx'
import { Icon, Status } from '../../parts/Icon.tsx'
import { Failure, Panel } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { checkName, worded } from '../../words/messages.ts'
import { t, tn } from '../../words/words.ts'

const SANDBOX = { ok: 'succeeded', failed: 'failed', unavailable: 'failed', checking: 'queued' } as const

const CHECK = { ok: 'succeeded', warning: 'partial', failed: 'failed' } as const

export function Sandbox({ data, may }: { data: System; may: boolean }) {
  const cache = useQueryClient()
  const { busy, error, act } = useAction()
  const { sandbox } = data
  const good = sandbox.checks.filter(check => check.status === 'ok').length
  const check = () =>
    act(() =>
      post('system/check', { what: 'sandbox' }).finally(() => cache.invalidateQueries({ queryKey: ['system'] })),
    )
  const well = sandbox.checks.length > 0 && good === sandbox.checks.length
  return (
    <Panel
      title={t('system.sandbox')}
      plain
      beside={
        <>
          <span className="more" />
          <Status
            status={SANDBOX[sandbox.state]}
            word={well ? tn('system.hold', good) : t(`sandbox.${sandbox.state}`)}
          />
          {may && (
            <button type="button" className="btn small" disabled={busy} onClick={() => void check()}>
              {t('system.check')}
            </button>
          )}
        </>
      }
    >
      {error !== null && <Failure error={error} />}
      <ul className="checks" hidden={sandbox.checks.length === 0}>
        {sandbox.checks.map(one => (
          <li key={one.name}>
            <span className={`st st-${CHECK[one.status]}`}>
              <Icon name={CHECK[one.status]} small />
            </span>
            <span className="dim">
              <Code text={[checkName(one.name), worded(one, one.detail)].filter(Boolean).join(': ')} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  )
}
