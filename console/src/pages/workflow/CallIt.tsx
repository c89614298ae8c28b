import { useState } from 'react'
import type { AppDetail } from '../../api/types.ts'
import { useWho } from '../../app/Shell.tsx'
import { Copy } from '../../parts/copy.tsx'
import { Boundary } from '../../parts/Panel.tsx'
import { Tabs } from '../../parts/Tabs.tsx'
import { t } from '../../words/words.ts'

const KEY = 'app-…'

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
  const json = JSON.stringify(body, null, 2).replace(/'/g, "'\\''").replace(/\n/g, '\n  ')
  const code: Record<string, string> = {
    curl: `curl ${url} \\\n  -H 'Authorization: Bearer ${KEY}' \\\n  -H 'Content-Type: application/json' \\\n  -d '${json}'`,
    Python: `import httpx\n\nanswer = httpx.post(\n    "${url}",\n    headers={"Authorization": "Bearer ${KEY}"},\n    json=${JSON.stringify(
      body,
      null,
      4,
    )
      .replace(/\btrue\b/g, 'True')
      .replace(/\n/g, '\n    ')},\n    timeout=None,\n)\nprint(answer.json())`,
    JavaScript: `const answer = await fetch("${url}", {\n  method: "POST",\n  headers: {\n    Authorization: "Bearer ${KEY}",\n    "Content-Type": "application/json",\n  },\n  body: JSON.stringify(${JSON.stringify(body, null, 2).replace(/\n/g, '\n  ')}),\n})\nconsole.log(await answer.json())`,
  }
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
            {code[chosen]}
          </pre>
        </Tabs>
      </Boundary>
    </section>
  )
}
