"""What the parts of one process count of their work, in one place for those who show it."""

from msgspec import Struct

from jikko.maintenance.callbacks import Callbacks
from jikko.maintenance.tally import Tally
from jikko.measures import Counter
from jikko.ports.measures import ClusterMeasures, ModelMeasures, ProgramMeasures, RecordMeasures, RunMeasures
from jikko.ports.node_ports import NodePorts
from jikko.providers.models import ProviderModels
from jikko.runs.admission import Admission
from jikko.sandbox.client import ForkServerSandbox


class Measures(Struct, frozen=True, kw_only=True):
    """Of one process."""

    runs: RunMeasures
    admission: Admission
    record: RecordMeasures
    programs: ProgramMeasures
    models: ModelMeasures
    failed_callbacks: Counter
    tally: Tally
    cluster: ClusterMeasures | None
    """``None``: there is one server."""


def measures_of(
    runs: RunMeasures,
    admission: Admission,
    record: RecordMeasures,
    ports: NodePorts,
    callbacks: Callbacks,
    tally: Tally,
    cluster: ClusterMeasures | None,
) -> Measures:
    """Those of the parts of a process; of a part that counts nothing, none."""
    sandbox, models = ports.sandbox, ports.models
    return Measures(
        runs=runs,
        admission=admission,
        record=record,
        programs=sandbox.measures if isinstance(sandbox, ForkServerSandbox) else ProgramMeasures(),
        models=models.measures if isinstance(models, ProviderModels) else ModelMeasures(),
        failed_callbacks=callbacks.failed,
        tally=tally,
        cluster=cluster,
    )
