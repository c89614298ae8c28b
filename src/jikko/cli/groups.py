"""The sections of commands. What a command needs is imported when it is asked for."""

import click

from jikko.cli.command_failure import LazyGroup


@click.group(
    cls=LazyGroup,
    listed={
        "list": ("jikko.cli.apps.apps:list_", "List the apps."),
        "show": ("jikko.cli.apps.apps", "Show an app's versions and keys."),
        "export": ("jikko.cli.apps.apps", "Print the file of a version of an app."),
        "use": ("jikko.cli.apps.apps", "Make a version of an app the current one."),
        "delete": ("jikko.cli.apps.apps", "Remove an app, its versions and keys."),
        "import": ("jikko.cli.apps.importing:import_", "Import and publish workflow files."),
        "sync": ("jikko.cli.apps.importing", "Publish the files of a folder."),
        "keys": ("jikko.cli.apps.app_keys_command", "List, make, add or revoke keys of an app."),
        "env": ("jikko.cli.apps.environment_options", "Values for an app's environment."),
        "webhook-secret": ("jikko.cli.callbacks_command:webhook_secret", "Show what call-backs are signed with."),
    },
)
def apps() -> None:
    """Manage apps: what was imported, the keys that open it, and the values that it has here."""


@click.group(
    cls=LazyGroup,
    listed={
        "list": ("jikko.cli.runs.listing:list_", "List runs, newest first."),
        "show": ("jikko.cli.runs.listing", "Show a run with all its nodes."),
        "follow": ("jikko.cli.runs.run_commands", "Show a run's events, from first to last."),
        "diff": ("jikko.cli.runs.run_commands", "Show what two runs did differently."),
        "save": ("jikko.cli.runs.saving:save_runs", "Make a test file of runs."),
        "files": ("jikko.cli.runs.saved_files", "List or save the files of a run."),
        "forms": ("jikko.cli.runs.forms_command", "Show the forms that a run waits for."),
        "submit": ("jikko.cli.runs.forms_command", "Submit a form that a run waits for."),
        "stop": ("jikko.cli.runs.run_commands", "Stop a run."),
        "retry": ("jikko.cli.runs.run_commands", "Repeat a run."),
        "prune": ("jikko.cli.runs.run_commands", "Remove runs that ended long ago."),
        "trace": ("jikko.cli.runs.run_commands", "Send the trace of a run."),
        "export": ("jikko.cli.runs.transfer_command:export_runs", "Write ended runs as JSON Lines."),
        "import": ("jikko.cli.runs.transfer_command:import_runs", "Read runs that were exported."),
    },
)
def runs() -> None:
    """Look at runs, answer, stop, repeat, carry and remove them. RUN is an id, or the beginning of one."""


@click.group(
    cls=LazyGroup,
    listed={
        "add": ("jikko.cli.knowledge.add", "Add files to a dataset."),
        "list": ("jikko.cli.knowledge.datasets_command:list_", "List datasets."),
        "show": ("jikko.cli.knowledge.datasets_command", "Show the documents of a dataset."),
        "search": ("jikko.cli.knowledge.datasets_command", "Search a dataset."),
        "remove": ("jikko.cli.knowledge.datasets_command", "Remove a dataset, or some of its documents."),
        "map": ("jikko.cli.knowledge.datasets_command:map_", "Say which dataset a workflow file means."),
        "keys": ("jikko.cli.knowledge.datasets_command", "Keys of the knowledge API."),
        "external": ("jikko.cli.knowledge.datasets_command", "Search services elsewhere."),
        "import": ("jikko.cli.knowledge.dify_datasets:import_", "Copy datasets of a Dify."),
    },
)
def knowledge() -> None:
    """Fill datasets with documents, search them, and say who may."""


@click.group(
    cls=LazyGroup,
    listed={
        "list": ("jikko.cli.triggers.switching:list_", "List triggers."),
        "enable": ("jikko.cli.triggers.switching", "Switch a trigger on."),
        "disable": ("jikko.cli.triggers.switching", "Switch a trigger off."),
        "fire": ("jikko.cli.triggers.firing", "Call a webhook, or run a schedule now."),
        "pause": ("jikko.cli.triggers.switching", "Pause a schedule."),
        "backfill": ("jikko.cli.triggers.switching", "Run past due times of a schedule."),
    },
)
def triggers() -> None:
    """Webhooks and schedules that start runs. TRIGGER is an id, or APP/NODE."""


@click.group(
    cls=LazyGroup,
    listed={
        "list": ("jikko.cli.triggers.replaying:list_", "List deliveries, newest first."),
        "show": ("jikko.cli.triggers.replaying", "Show a delivery, with what it brought."),
        "replay": ("jikko.cli.triggers.replaying", "Run a delivery again."),
        "discard": ("jikko.cli.triggers.replaying", "Set a delivery aside."),
    },
)
def deliveries() -> None:
    """Calls of webhooks, and what became of them."""


@click.group(
    cls=LazyGroup,
    listed={
        "install": ("jikko.cli.plugins.install", "Install plugins."),
        "list": ("jikko.cli.plugins.install:list_", "List plugins, or what DSL files need."),
        "test": ("jikko.cli.plugins.install", "Start plugins, and try their credentials."),
        "call": ("jikko.cli.plugins.install", "Call one tool."),
        "remove": ("jikko.cli.plugins.install", "Remove plugins."),
    },
)
def plugins() -> None:
    """Install Dify's plugins, whose tools and agent strategies workflows use, and try them."""


@click.group(
    cls=LazyGroup,
    listed={"manage": ("jikko.cli.remote.remote_commands", "Tools for agents, over stdin and stdout.")},
)
def mcp() -> None:
    """Give agents that speak MCP the tools to manage a server."""
