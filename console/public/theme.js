// Before anything is drawn: the theme that was chosen, or the system's.
;(() => {
  let kept = null
  try {
    kept = localStorage.getItem('jikko.theme')
  } catch {}
  const dark = kept ? kept === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
})()
