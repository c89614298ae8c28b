import { useApps } from '../../api/queries.ts'
import { useAddress } from '../../app/address.ts'
import { useTitle } from '../../app/title.ts'
import { AppChooser } from '../../parts/Chooser.tsx'
import { t } from '../../words/words.ts'
import { Deliveries } from './Deliveries.tsx'
import { DeliveryPanel } from './DeliveryPanel.tsx'
import { TriggerPanel } from './TriggerPanel.tsx'
import { TriggerTable } from './TriggerTable.tsx'
import '../../../styles/workflow.css'
import '../../../styles/runs.css'

/** What starts runs by itself, and what came: triggers with their next times, deliveries, and one of either. */
export default function TriggersPage() {
  useTitle(t('page.triggers'))
  const [read, change] = useAddress()
  const apps = useApps()
  const trigger = read('trigger')
  const delivery = read('delivery')
  return (
    <main id="main" className="page triggers">
      <div className="head">
        <h1>{t('page.triggers')}</h1>
        <span className="more" />
        <AppChooser
          label={t('runs.workflow')}
          any={t('runs.any')}
          apps={apps.data ?? []}
          value={read('app')}
          set={app => change({ app, of: undefined, trigger: undefined, delivery: undefined }, true)}
        />
      </div>
      <div className={trigger || delivery ? 'two' : undefined}>
        <div className="colm">
          <div className="panel">
            <TriggerTable app={read('app')} />
          </div>
          <Deliveries />
        </div>
        {delivery ? (
          <DeliveryPanel key={delivery} id={delivery} />
        ) : (
          trigger && <TriggerPanel key={trigger} id={trigger} />
        )}
      </div>
    </main>
  )
}
