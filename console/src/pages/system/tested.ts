import { post } from '../../api/client.ts'
import type { Tried } from '../../api/types.ts'
import { errorText } from '../../parts/Panel.tsx'
import { duration, t } from '../../words/words.ts'

/** Whether a provider of models answers now, in words. In a path its name has `~` for each `/`. */
export async function tested(name: string): Promise<{ ok: boolean; text: string }> {
  try {
    const { ok, ms, error } = await post<Tried>(`providers/${encodeURIComponent(name.replaceAll('/', '~'))}/test`)
    return { ok, text: ok ? t('system.answers', { time: duration(ms / 1000) }) : (error ?? t('status.failed')) }
  } catch (error) {
    return { ok: false, text: errorText(error) }
  }
}
