import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { Icon } from '../../parts/Icon.tsx'
import { errorText, Panel } from '../../parts/Panel.tsx'
import { t } from '../../words/words.ts'

/** Adds documents by their files, one after the other; their status stands in the list. */
export function Add({ dataset }: { dataset: string }) {
  const cache = useQueryClient()
  const [going, setGoing] = useState('')
  const [wrong, setWrong] = useState<readonly string[]>([])
  const add = async (files: readonly File[]) => {
    setWrong([])
    for (const file of files) {
      setGoing(file.name)
      const form = new FormData()
      form.append('file', file)
      try {
        await call('POST', `datasets/${dataset}/documents`, { form })
      } catch (error) {
        setWrong(list => [...list, `${file.name}: ${errorText(error)}`])
      }
      await cache.invalidateQueries({ queryKey: ['documents', dataset] })
    }
    setGoing('')
    await cache.invalidateQueries({ queryKey: ['datasets'] })
  }
  return (
    <Panel title={t('knowledge.add')}>
      <label
        className="drop dim"
        onDragOver={event => event.preventDefault()}
        onDrop={event => {
          event.preventDefault()
          void add([...event.dataTransfer.files])
        }}
      >
        <Icon name="upload" />
        {going ? t('knowledge.adding', { name: going }) : t('form.files')}
        <input
          type="file"
          className="sr"
          multiple
          aria-label={t('knowledge.add')}
          onChange={event => {
            const files = [...(event.target.files ?? [])]
            event.target.value = ''
            void add(files)
          }}
        />
      </label>
      {wrong.map(text => (
        <p key={text} className="wrong" role="alert">
          <Icon name="failed" small />
          {text}
        </p>
      ))}
    </Panel>
  )
}
