import { QueryClientProvider } from '@tanstack/react-query'
import { createRoot } from 'react-dom/client'
import { queryClient, session } from './api/queries.ts'
import { App } from './app/App.tsx'
import { language, load } from './words/words.ts'
import './styles.ts'

const client = queryClient()
// Who looks at the page is asked while its words come.
void client.prefetchQuery(session)
void load(language()).finally(() =>
  createRoot(document.getElementById('root') as HTMLElement).render(
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>,
  ),
)
