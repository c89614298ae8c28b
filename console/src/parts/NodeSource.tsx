import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { address, get, request } from '../api/client.ts'
import type { NodeLines } from '../api/types.ts'
import { visible } from '../words/visible.ts'
import { count, t } from '../words/words.ts'
import { Coloured } from './Coloured.tsx'
import { Copy } from './copy.tsx'
import { Icon } from './Icon.tsx'
import { Failure, Loaded } from './Panel.tsx'
import { quotedCode } from './quoted.ts'

type Props = { app: string; version: string | number; node: string; error?: string | undefined }

/** What the file of a version says of a node: prompt, code, conditions; or all of it. For operators. `error`: marks its
 * line. */
export function NodeSource({ app, version, node, error }: Props) {
  const path = `apps/${app}/versions/${version}`
  const lines = useQuery({
    queryKey: ['node', path, node],
    queryFn: () => get<NodeLines>(`${path}/nodes/${encodeURIComponent(node)}`),
    staleTime: Number.POSITIVE_INFINITY,
  })
  const [whole, setWhole] = useState(false)
  const file = useQuery({
    queryKey: ['source', path],
    queryFn: () => request('GET', `${path}/source`).then(answer => answer.text()),
    enabled: whole,
    staleTime: Number.POSITIVE_INFINITY,
  })
  const all = whole ? file.data?.split(/(?<=\n)/) : undefined
  return (
    <Loaded of={lines} rows={8}>
      {({ first_line, lines }) => {
        const text = dedented(lines)
        const last = first_line + lines.length - 1
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
              <span className="faint grow">{t('source.lines', { from: count(first_line), to: count(last) })}</span>
              <button type="button" className="btn small" aria-pressed={whole} onClick={() => setWhole(!whole)}>
                {t('source.whole')}
              </button>
              <Copy text={all ? all.join('') : text.join('\n')} label={t('copy')} />
              <a
                className="btn plain icon small"
                href={address(`${path}/source`)}
                aria-label={t('source.file')}
                title={t('source.file')}
              >
                <Icon name="download" small />
              </a>
            </div>
            {whole && file.error ? <Failure error={file.error} again={() => void file.refetch()} /> : null}
            <pre
              key={String(!!all)}
              ref={bring}
              className="code numbered"
              tabIndex={0}
              style={{ counterReset: `line ${all ? 0 : first_line - 1}` }}
            >
              <Coloured
                text={all ? all.map(visible).join('') : text.map(line => `${visible(line)}\n`).join('')}
                language="dsl"
                numbered
                failing={code < 0 ? undefined : (all ? first_line : 1) + code + failing}
                own={all && [first_line, last]}
              />
            </pre>
          </>
        )
      }}
    </Loaded>
  )
}

const bring = (file: HTMLElement | null) => file?.querySelector('.own')?.scrollIntoView({ block: 'center' })

function dedented(lines: readonly string[]): string[] {
  const indent = Math.min(...lines.filter(line => line.trim()).map(line => line.search(/\S/)))
  return lines.map(line => line.slice(Number.isFinite(indent) ? indent : 0))
}
