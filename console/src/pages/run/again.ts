import { post } from '../../api/client.ts'
import type { RunDetail } from '../../api/types.ts'
import { asInput, holdsFiles } from '../../parts/Fields.tsx'

/** Whether the run's workflow is still there, to run again and to look at. */
export const isServed = (run: RunDetail | undefined): boolean => !!run?.app.icon

export const runAgain = (run: RunDetail) => {
  // Values of the system are the run's own, not what it was given.
  const inputs = Object.fromEntries(Object.entries(run.inputs).filter(([name]) => !name.startsWith('sys.')))
  const given = Object.fromEntries(
    Object.entries(inputs)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name, asInput(value)]),
  )
  // Files are their user's alone.
  return post<{ run_id: string }>(`apps/${run.app.id}/runs`, {
    inputs: given,
    ...(holdsFiles(inputs) ? { user: run.user } : {}),
  })
}
