/** Have the browser keep an answer as a file, by the name that it comes with. What was refused is told before, by `request`. */
export async function keep(answer: Response): Promise<void> {
  const name = /filename="([^"]+)"/.exec(answer.headers.get('Content-Disposition') ?? '')?.[1] ?? 'download'
  const link = document.createElement('a')
  const href = URL.createObjectURL(await answer.blob())
  link.href = href
  link.download = name
  link.click()
  // Some browsers read it a moment later.
  setTimeout(() => URL.revokeObjectURL(href), 60_000)
}
