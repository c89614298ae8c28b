import { useApp } from '../../api/queries.ts'
import type { RunDetail } from '../../api/types.ts'
import { Dialog } from '../../parts/Dialog.tsx'
import { asInput, holdsFiles } from '../../parts/Fields.tsx'
import { Loaded } from '../../parts/Panel.tsx'
import { t } from '../../words/words.ts'
import { CallIt } from '../workflow/CallIt.tsx'
import '../../../styles/workflow.css'

/** How a program makes a run like this one. */
export default function CallRun({ run, close }: { run: RunDetail; close: () => void }) {
  const app = useApp(run.app.id)
  const given = Object.entries(run.inputs).filter(
    ([name, value]) => value !== null && (name === 'sys.query' || !name.startsWith('sys.')),
  )
  return (
    <Dialog label={t('call.title')} close={close} className="wide" heading={null}>
      <Loaded of={app} rows={5}>
        {found => (
          <CallIt
            app={found}
            given={Object.fromEntries(given.map(([name, value]) => [name, asInput(value)]))}
            // Files are their user's alone.
            {...(holdsFiles(run.inputs) ? { user: run.user } : {})}
          />
        )}
      </Loaded>
    </Dialog>
  )
}
