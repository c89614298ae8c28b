import { QueryClientProvider } from '@tanstack/react-query'
import { createRoot } from 'react-dom/client'
import { queryClient } from './api/queries.ts'
import { App } from './app/App.tsx'
import './styles.ts'

createRoot(document.getElementById('root') as HTMLElement).render(
  <QueryClientProvider client={queryClient()}>
    <App />
  </QueryClientProvider>,
)
