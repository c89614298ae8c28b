import { useQuery } from '@tanstack/react-query'
import { address, get } from '../api/client.ts'
import type { NodeLines } from '../api/types.ts'
import { visible } from '../words/visible.ts'
import { count, t } from '../words/words.ts'
import { Coloured } from './Coloured.tsx'
import { Copy } from './copy.tsx'
import { Icon } from './Icon.tsx'
import { Loaded } from './Panel.tsx'
import { quotedCode } from './quoted.ts'

type Props = { app: string; version: string | number; node: string; error?: string | undefined }

/** What the file of a version says of a node: prompt, code, conditions. For operators. `error`: marks its line. */
export function NodeSource({ app, version, node, error }: Props) {
  const path = `apps/${app}/versions/${version}`
  const lines = useQuery({
    queryKey: ['node', path, node],
    queryFn: () => get<NodeLines>(`${path}/nodes/${encodeURIComponent(node)}`),
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <Loaded of={lines} rows={8}>
      {({ first_line, lines }) => {
        const text = dedented(lines)
        const quoted = quotedCode(text.join('\n'))
        const failing = Number(/\(line (\d+)\)/.exec(error ?? '')?.[1])
        // Where code stands as it is, its first line is the next.
        const code = text.findIndex(line => /^\s*(?:code|template): \|/.test(line))
        return (
          <>
            {quoted && (
              <>
                <div className="row">
                  <span className="faint grow">{t('source.code')}</span>
                  <Copy text={quoted.code} label={t('source.code.copy')} />
                </div>
                <pre className="code numbered" tabIndex={0} style={{ counterReset: 'line' }}>
                  <Coloured text={visible(quoted.code)} language={quoted.language} numbered failing={failing} />
                </pre>
              </>
            )}
            <div className="row">
              <span className="faint grow">
                {t('source.lines', { from: count(first_line), to: count(first_line + lines.length - 1) })}
              </span>
              <Copy text={text.join('\n')} label={t('copy')} />
              <a
                className="btn plain icon small"
                href={address(`${path}/source`)}
                aria-label={t('source.file')}
                title={t('source.file')}
              >
                <Icon name="download" small />
              </a>
            </div>
            <pre className="code numbered" tabIndex={0} style={{ counterReset: `line ${first_line - 1}` }}>
              <Coloured
                text={text.map(line => `${visible(line)}\n`).join('')}
                language="dsl"
                numbered
                failing={code < 0 ? undefined : code + 1 + failing}
              />
            </pre>
          </>
        )
      }}
    </Loaded>
  )
}

function dedented(lines: readonly string[]): string[] {
  const indent = Math.min(...lines.filter(line => line.trim()).map(line => line.search(/\S/)))
  return lines.map(line => line.slice(Number.isFinite(indent) ? indent : 0))
}
