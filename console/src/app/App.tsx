import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useEffect } from 'react'
import { Redirect, Route, Router, Switch, useLocation, useSearch } from 'wouter'
import { ApiError, base, onSignedOut } from '../api/client.ts'
import { useSession } from '../api/queries.ts'
import { EnterPage } from '../pages/enter/EnterPage.tsx'
import { RunsPage } from '../pages/runs/RunsPage.tsx'
import { Boundary, Failure, Gone, PartMissing, Skeleton } from '../parts/Panel.tsx'
import { t, useLanguage } from '../words/words.ts'
import { Shell } from './Shell.tsx'
import { useTitle } from './title.ts'

const missing = (): never => {
  throw new PartMissing()
}
const WorkflowsPage = lazy(() => import('../pages/workflows/WorkflowsPage.tsx').catch(missing))
const WorkflowPage = lazy(() => import('../pages/workflow/WorkflowPage.tsx').catch(missing))
const RunPage = lazy(() => import('../pages/run/RunPage.tsx').catch(missing))
const SharedRun = lazy(() => import('../pages/run/SharedRun.tsx').catch(missing))
const SystemPage = lazy(() => import('../pages/system/SystemPage.tsx').catch(missing))
const KnowledgePage = lazy(() => import('../pages/knowledge/KnowledgePage.tsx').catch(missing))
const ChartsPage = lazy(() => import('../pages/charts/ChartsPage.tsx').catch(missing))
const TriggersPage = lazy(() => import('../pages/triggers/TriggersPage.tsx').catch(missing))
const ChatPage = lazy(() => import('../pages/chat/ChatPage.tsx').catch(missing))

export function App() {
  const language = useLanguage()
  useEffect(() => {
    document.documentElement.lang = language
  }, [language])
  return (
    <Router base={base.slice(0, -1)} key={language}>
      <Switch>
        <Route path="/enter" component={EnterPage} />
        <Route path="/shared/:id">
          {({ id }) => (
            <Boundary>
              <Suspense>
                <SharedRun key={id} id={id} />
              </Suspense>
            </Boundary>
          )}
        </Route>
        <Route>
          <SignedIn />
        </Route>
      </Switch>
    </Router>
  )
}

function SignedIn() {
  const session = useSession()
  const cache = useQueryClient()
  const [path] = useLocation()
  const search = useSearch()
  useEffect(() => onSignedOut(() => void cache.invalidateQueries({ queryKey: ['session'] })), [cache])
  if (session.error instanceof ApiError && session.error.status === 401) {
    const next = `${path}${search ? `?${search}` : ''}`
    return <Redirect to={next === '/' ? '/enter' : `/enter?next=${encodeURIComponent(next)}`} replace />
  }
  if (!session.data) {
    return (
      <main id="main" className="page">
        {session.error ? <Failure error={session.error} again={() => void session.refetch()} /> : <Skeleton rows={8} />}
      </main>
    )
  }
  return (
    <Shell session={session.data}>
      <Boundary key={placeOf(path)}>
        <Suspense
          fallback={
            <main id="main" className="page">
              <Skeleton rows={8} />
            </main>
          }
        >
          <Switch>
            <Route path="/" component={WorkflowsPage} />
            <Route path="/w/:app">{({ app }) => <WorkflowPage key={app} id={app} />}</Route>
            <Route path="/runs" component={RunsPage} />
            <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={id} />}</Route>
            <Route path="/charts" component={ChartsPage} />
            <Route path="/system" component={SystemPage} />
            <Route path="/triggers" component={TriggersPage} />
            <Route path="/knowledge/:dataset?">{({ dataset }) => <KnowledgePage dataset={dataset ?? ''} />}</Route>
            {session.data.features.chat && (
              <Route path="/chat/:app?/:conversation?">
                {({ app, conversation }) => <ChatPage app={app ?? ''} conversation={conversation ?? ''} />}
              </Route>
            )}
            <Route component={NotFound} />
          </Switch>
        </Suspense>
      </Boundary>
    </Shell>
  )
}

/** What is drawn anew when it changes: the path. Of a chat only as far as its app: beside one conversation stand the others. */
const placeOf = (path: string): string => (path.startsWith('/chat/') ? path.split('/').slice(0, 3).join('/') : path)

function NotFound() {
  useTitle(t('not_found'))
  return <Gone title={t('not_found')} text={t('not_found.text')} to="/" label={t('workflows.all')} />
}
