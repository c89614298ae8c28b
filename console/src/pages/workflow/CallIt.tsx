import { useState } from 'react'
import type { AppDetail } from '../../api/types.ts'
import { useWho } from '../../app/Shell.tsx'
import { Coloured } from '../../parts/Coloured.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Boundary } from '../../parts/Panel.tsx'
import { Tabs } from '../../parts/Tabs.tsx'
import { t } from '../../words/words.ts'
import { programs } from './callCode.ts'

const PATHS: Partial<Record<string, string>> = { workflow: 'workflows/run', completion: 'completion-messages' }

/** How a program starts this workflow, by default with inputs that show what is wanted. */
export function CallIt({
  app,
  given,
  user = 'me',
}: {
  app: AppDetail
  given?: Record<string, unknown>
  user?: string
}) {
  const [chosen, choose] = useState('curl')
  const who = useWho()
  const path = PATHS[app.mode]
  const url = `${(who.server.public_url || location.origin).replace(/\/$/, '')}/v1/${path ?? 'chat-messages'}`
  const wanted = Object.fromEntries(
    app.form.map(one => [one.name, one.type === 'number' ? 1 : one.type === 'checkbox' ? true : '…']),
  )
  const { 'sys.query': query = '…', ...inputs } = given ?? wanted
  // An agent answers in a stream alone.
  const response_mode = app.mode === 'agent-chat' ? 'streaming' : 'blocking'
  const body = { inputs, ...(path ? {} : { query }), user, response_mode }
  const code = programs({ url, body })
  return (
    <section className="panel call">
      <Boundary>
        <Tabs
          label={t('call.title')}
          tabs={Object.keys(code).map(id => ({ id, label: id }))}
          chosen={chosen}
          choose={choose}
          panelClass="in"
          beside={<Copy text={code[chosen] ?? ''} label={t('copy')} />}
        >
          <pre className="code" tabIndex={0}>
            <Coloured text={code[chosen] ?? ''} language={chosen} />
          </pre>
        </Tabs>
      </Boundary>
    </section>
  )
}
