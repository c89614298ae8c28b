"""The factory of runs: their admission, execution, starts, forms and retries."""

from jikko.apps.versions import Workflows
from jikko.assemble.build_context import BuildContext
from jikko.assemble.stores import Stores
from jikko.cluster.data_folder import RefusalsFile
from jikko.conversations.hooks import Hooks
from jikko.engine.limits import RunLimits
from jikko.inputs.file_inputs import FileInputs
from jikko.ports.cluster import Cluster
from jikko.ports.node_ports import NodePorts
from jikko.runs.admission import Admission, AdmissionLimits
from jikko.runs.observer import RunObserver
from jikko.runs.process_memory import MemoryLimits, ProcessMemory
from jikko.runs.runs import Runs


def build_admission(context: BuildContext, *, clustered: bool) -> Admission:
    """What says how many runs go on at once.
    ``clustered``: whether several servers share the limit of an app; by default the workers of this machine do."""
    settings = context.settings
    per_app = context.of_machine.max_runs_per_app if clustered else settings.max_runs_per_app
    return Admission(
        AdmissionLimits(at_once=settings.max_runs, at_once_per_app=per_app, queued_per_app=settings.max_queued_runs)
    )


def build_runs(
    context: BuildContext,
    stores: Stores,
    workflows: Workflows,
    ports: NodePorts,
    *,
    admission: Admission,
    cluster: Cluster,
    hooks: Hooks,
    observer: RunObserver | None,
    look_seconds: float,
) -> Runs:
    """The runs of a process.

    Args:
        ports: What their nodes reach the world through.
        hooks: What looks at texts of conversations on their way.
        observer: Sees what happens in them.
        look_seconds: After how long a run that is followed here is read though nothing was heard of it.
    """
    settings = context.settings
    return Runs(
        store=stores.runs,
        apps=stores.apps,
        workflows=workflows,
        ports=ports,
        file_inputs=FileInputs(ports.files, ports.http),
        limits=RunLimits(
            max_steps=settings.max_steps,
            max_seconds=settings.max_seconds,
            max_parallel_nodes=settings.max_parallel_nodes,
        ),
        admission=admission,
        clock=context.clock,
        cluster=cluster,
        refusals=None if context.in_memory else RefusalsFile(settings.home),
        look_seconds=look_seconds,
        observer=observer,
        guard=hooks.guard,
        text_seconds=settings.text_seconds,
        memory=ProcessMemory(
            MemoryLimits(of_one=settings.run_memory, of_all=settings.runs_memory, share=settings.app_share)
        ),
    )
