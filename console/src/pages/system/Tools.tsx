import { useQuery } from '@tanstack/react-query'
import { get } from '../../api/client.ts'
import type { Plugin, Tool } from '../../api/types.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Loaded, Panel } from '../../parts/Panel.tsx'
import { visible } from '../../words/visible.ts'
import { t, tn } from '../../words/words.ts'

/** What tool nodes can call, and the plugins that are installed. */
export function Tools() {
  const tools = useQuery({ queryKey: ['tools'], queryFn: () => get<{ data: Tool[] }>('tools').then(page => page.data) })
  const plugins = useQuery({
    queryKey: ['plugins'],
    queryFn: () => get<{ data: Plugin[] }>('plugins').then(page => page.data),
  })
  return (
    <>
      <Panel title={t('system.tools')} plain>
        <Loaded of={tools} none={t('system.no_tools')}>
          {list => (
            <table className="auto">
              <tbody>
                {list.map(one => (
                  <tr key={`${one.type} ${one.name}`}>
                    <td className="strong">{visible(one.name)}</td>
                    <td>
                      <span className="tag">{one.type === 'builtin' ? t('system.builtin') : one.type}</span>
                    </td>
                    {one.error ? (
                      <td colSpan={2}>
                        <span className="st st-failed">
                          <Icon name="failed" small />
                          {one.error}
                        </span>
                      </td>
                    ) : (
                      <>
                        <td className="dim">
                          <span title={(one.tools ?? []).join(', ')}>
                            {tn('system.tools_n', one.tools?.length ?? 0)}
                          </span>
                        </td>
                        <td className="dim mono cut hide">{(one.tools ?? []).join(', ')}</td>
                      </>
                    )}
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Loaded>
      </Panel>
      <Panel title={t('system.plugins')} plain>
        <Loaded of={plugins} none={t('system.no_plugins')}>
          {list => (
            <table className="auto">
              <tbody>
                {list.map(one => (
                  <tr key={one.id}>
                    <td className="strong">{one.id}</td>
                    <td className="num dim">{one.version}</td>
                    <td>
                      <span className="tag">{one.trust}</span>
                    </td>
                    <td className="dim hide">{one.has.join(', ')}</td>
                    <td className="dim hide">{one.permissions.join(', ')}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Loaded>
      </Panel>
    </>
  )
}
