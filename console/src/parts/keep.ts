/** Have the browser keep an answer as a file, by a name, or by that which it comes with. What was refused is told before,
 * by `request`. */
export async function keep(answer: Response, name?: string): Promise<void> {
  const own = /filename="([^"]+)"/.exec(answer.headers.get('Content-Disposition') ?? '')?.[1]
  const link = document.createElement('a')
  const href = URL.createObjectURL(await answer.blob())
  link.href = href
  link.download = name ?? own ?? 'download'
  link.click()
  // Some browsers read it a moment later.
  setTimeout(() => URL.revokeObjectURL(href), 60_000)
}
