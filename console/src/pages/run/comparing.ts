// Which runs a run is compared with.
import { get } from '../../api/client.ts'
import type { RunDetail, RunPage } from '../../api/types.ts'
import { t } from '../../words/words.ts'

/** The earlier run and the later one: ids grow with time. */
export const pairOf = (run: RunDetail, other: string): [earlier: string, later: string] =>
  other < run.id ? [other, run.id] : [run.id, other]

/** The newest run of the same workflow that succeeded before a run. */
export async function lastSuccess(run: RunDetail): Promise<string> {
  const filter = { app: run.app.id, status: 'succeeded', before: run.created_at, limit: 1 }
  const found = (await get<RunPage>('runs', filter)).data[0]
  if (!found) throw new Error(t('compare.no_success'))
  return found.id
}
