import { QueryClientProvider } from '@tanstack/react-query'
import { createRoot } from 'react-dom/client'
import { base } from './api/client.ts'
import { queryClient, session } from './api/queries.ts'
import { App } from './app/App.tsx'
import { language, load } from './words/words.ts'
import './styles.ts'

const client = queryClient()
// Who looks at the page is asked while its words come.
if (!location.pathname.startsWith(`${base}shared/`)) void client.prefetchQuery(session)
const root = document.getElementById('root') as HTMLElement
void load(language()).then(
  () =>
    createRoot(root).render(
      <QueryClientProvider client={client}>
        <App />
      </QueryClientProvider>,
    ),
  () => {
    root.role = 'alert'
    root.textContent = 'The page could not be loaded. Reload it. ページを読み込めませんでした。再読み込みしてください。'
  },
)
