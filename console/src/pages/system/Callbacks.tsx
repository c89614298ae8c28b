import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from 'wouter'
import { get, post } from '../../api/client.ts'
import type { Callback } from '../../api/types.ts'
import { useMay } from '../../app/Shell.tsx'
import { Empty, Loaded, Panel, Refused } from '../../parts/Panel.tsx'
import { useAction } from '../../parts/useAction.ts'
import { visible } from '../../words/visible.ts'
import { count, t, tn } from '../../words/words.ts'

/** Callbacks that could not be delivered: which, why, and once more. */
export function Callbacks({ counts }: { counts: { pending: number; failed: number } }) {
  const may = useMay()
  const cache = useQueryClient()
  const { wrong, act } = useAction()
  const failed = useQuery({
    queryKey: ['callbacks', counts.failed],
    queryFn: () => get<{ data: Callback[] }>('callbacks', { state: 'failed' }).then(page => page.data),
    enabled: counts.failed > 0,
  })
  const resend = (run: string) =>
    act(async () => {
      await post(`callbacks/${run}/resend`)
      await Promise.all([
        cache.invalidateQueries({ queryKey: ['system'] }),
        cache.invalidateQueries({ queryKey: ['callbacks'] }),
      ])
    })
  return (
    <Panel
      title={t('callbacks')}
      plain
      beside={<span className="more faint">{tn('callbacks.pending', counts.pending)}</span>}
    >
      <Refused wrong={wrong} />
      {counts.failed === 0 ? (
        <Empty>{t('callbacks.none')}</Empty>
      ) : (
        <Loaded of={failed}>
          {list => (
            <table className="auto">
              <tbody>
                {list.map(one => (
                  <tr key={one.run_id}>
                    <td>
                      <Link className="mono" href={`/runs/${one.run_id}`}>
                        {one.run_id.slice(-8)}
                      </Link>
                    </td>
                    <td className="mono dim cut hide">{visible(one.url)}</td>
                    <td className="dim cut">{visible(one.error ?? '')}</td>
                    <td className="num right dim hide">{count(one.attempts)}</td>
                    <td className="right">
                      {may && (
                        <button type="button" className="btn plain small" onClick={() => void resend(one.run_id)}>
                          {t('callbacks.resend')}
                        </button>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Loaded>
      )}
    </Panel>
  )
}
