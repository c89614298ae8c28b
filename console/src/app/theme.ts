/** Light or dark, as it is now. */
export const theme = (): 'light' | 'dark' => (document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light')

export function setTheme(to: 'light' | 'dark'): void {
  document.documentElement.dataset.theme = to
  try {
    localStorage.setItem('jikko.theme', to)
  } catch {
    // A browser that keeps nothing still shows it.
  }
}
