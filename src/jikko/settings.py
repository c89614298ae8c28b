"""All settings, in one place. Read once, by the command line, and handed on."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from jikko.apps.environment import EnvLayer
from jikko.default_home import default_home
from jikko.errors import InvalidSettings

PREFIX = "JIKKO_"
FILE_NAME = "jikko.toml"
"""Looked for in the data folder; holds the same names as the environment, in lower case and without the prefix."""

_LAST_PORT = 65_535
STOP_AT_ONCE_SECONDS = 10.0
"""Seconds within which a server has ended that gives runs and nodes no time."""
_MAX_WORKERS = 1024
"""More than any machine has cores for. Each takes files and memory, which would run out first, and say less."""
_MIN_HEAD_BYTES = 4096
"""Bytes: headers of browsers and proxies, and the longest addresses of ours."""
_MIN_ARCHIVE_DAYS = 7
_LAME_DUCK_SECONDS = 5.0
_MIN_MEMBER_SECONDS = 1.0
_CHOICES = {
    "plugins_confine": ("require", "off"),
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("text", "json"),
    "log_requests": ("all", "most", "refused", "none"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every field is also an environment variable: ``JIKKO_`` and its name in capitals.

    The environment wins over the settings file, which wins over the defaults.
    """

    home: Path = field(default_factory=default_home)
    """The data folder: database, uploaded files, keys."""
    database_url: str = ""
    """The PostgreSQL database that has the record: `postgresql://USER@HOST/DATABASE`. Empty: a SQLite file in the data
    folder has it."""
    files_url: str = ""
    """The bucket that has the contents of files: `s3://BUCKET/FOLDER?endpoint=https://HOST&region=NAME`, all but the
    bucket optional. Empty: they are in the data folder."""
    nats_url: str = ""
    """The NATS servers by which several servers share the work: `nats://USER:PASSWORD@HOST:4222`, with commas between
    them. Needs `database_url` and `files_url`. Empty: this server is the only one."""
    nats_credentials: Path | None = None
    """A file by which the NATS servers know this server: a `.creds` file, or the seed of an NKey. It is read anew for
    each connection. Empty: user and password are in `nats_url`, if there are any."""
    nats_ca: Path | None = None
    """A PEM file of the authorities that may have signed the certificates of the NATS servers. Empty: those of the
    system."""
    nats_certificate: Path | None = None
    """A PEM file of the certificate by which the NATS servers know this server, where they ask for one."""
    nats_certificate_key: Path | None = None
    """A PEM file of the private key of `nats_certificate`. Empty: it is in the same file."""
    member_seconds: float = 10.0
    """Seconds after which one of several servers that is not heard of counts as gone: others go on with its runs."""
    host: str = "127.0.0.1"
    """The address that the server listens on."""
    port: int = 8000
    """The port that the server listens on; 0 for any that is free."""
    workers: int = 1
    """Server processes that share the work and the database. 0: one for each core."""
    public_url: str = ""
    """The address by which clients reach the server, for links to files. Empty: taken from each request."""
    root_path: str = ""
    """The path below which clients reach the server behind a proxy, such as `/jikko`: all links begin with it."""
    console: bool = True
    """Whether the server has a console, the page at `/console/` and its API."""
    console_token: str = ""
    """A token that opens the console to an operator, of 32 characters at least. Empty: none but those that are made."""
    console_shares: bool = False
    """Whether operators may make links that show one run without signing in, for a week at most."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies (or CIDR, separated by commas) whose `X-Forwarded-…` headers are believed."""
    providers: Path | None = None
    """A YAML file of the providers of language models."""
    tools: Path | None = None
    """A YAML file: the tools that workflows name (APIs, MCP servers, apps), and which apps are MCP servers."""
    triggers: Path | None = None
    """A YAML file: how callers of webhooks prove who they are; overlap, missed times and limits of schedules."""
    tool_seconds: float = 600.0
    """Seconds that one call of a tool may take; that of a workflow as a tool takes as long as its run may."""
    tool_max_text: int = 10 << 20
    """Characters of all that a tool may say in one call."""
    tool_max_files: int = 64 << 20
    """Bytes of all files that a tool may make in one call."""
    tool_file_count: int = 1000
    """Files that a tool may make in one call, pictures that are fetched for it included."""
    plugins: Path | None = None
    """A YAML file that has credentials of plugins, other names for them, and the model that summarises for tools."""
    plugins_confine: str = "require"
    """Whether plugins are locked: `require`, or `off`, which lets them do all that the server may."""
    plugins_keys: Path | None = None
    """A PEM file of public keys (RSA), such as the marketplace's: what none of them has signed is not installed."""
    plugins_market: str = ""
    """The address that `jikko plugins install author/name` downloads from. Empty: it does not."""
    plugin_seconds: float = 600.0
    """Seconds that one call of a plugin may take; a model has the `timeout` of its provider instead."""
    plugin_idle_seconds: float = 300.0
    """Seconds after which a plugin that has nothing to do is ended."""
    plugin_processes: int = 16
    """Processes of plugins at once; the one that was not used for longest makes room."""
    plugin_memory: int = 2 << 30
    """Bytes of memory that one process of a plugin may use, with all that it starts."""
    plugin_disk: int = 1 << 30
    """Bytes that the folder of one plugin may hold (its `home` and `tmp`), in at most 20,000 files."""
    agent_model_calls: int = 200
    """Times that the agents of one run may ask a model together. 0: no limit."""
    agent_tool_calls: int = 500
    """Calls of tools that the agents of one run may make together. 0: no limit."""
    agent_tokens: int = 0
    """Tokens that the agents of one run may use together. 0: no limit."""
    agent_price: float = 0.0
    """What the agents of one run may cost together, by the prices of the models. 0: no limit."""
    fake_models: bool = False
    """Whether models are faked: each answers at once, without a provider, a key or costs. To try workflows."""
    mocks: str = ""
    """Outputs of nodes that are not to run: a JSON object, by their ids or titles. To try workflows."""
    http_allow: tuple[str, ...] = ()
    """Private address ranges (CIDR, separated by commas) that workflows may reach over HTTP."""
    http_proxy: str = ""
    """A proxy for the HTTP requests of workflows."""
    http_max_text: int = 1 << 20
    """Bytes of a text that an HTTP request node may receive, decompressed."""
    http_max_file: int = 10 << 20
    """Bytes of a file that an HTTP request node may receive, decompressed."""
    http_verify: bool = True
    """Whether HTTP request nodes check certificates, unless the node says."""
    http_connections: int = 512
    """Connections of HTTP request nodes at once."""
    upload_image: int = 10 << 20
    """Bytes of an uploaded image."""
    upload_video: int = 100 << 20
    """Bytes of an uploaded video."""
    upload_audio: int = 50 << 20
    """Bytes of an uploaded audio file."""
    upload_other: int = 15 << 20
    """Bytes of any other uploaded file."""
    link_seconds: float = 300.0
    """Seconds for which a link to a file can be used."""
    document_seconds: float = 60.0
    """Seconds that reading one document may take."""
    document_text: int = 16 << 20
    """Bytes of text (UTF-8) that one document may have."""
    document_memory: int = 1 << 30
    """Bytes of memory that reading one document may take."""
    max_body: int = 15 << 20
    """Bytes that the JSON body of a request may have."""
    body_memory: int = 128 << 20
    """Bytes of bodies of requests that are in memory at once; those of more than 64 KiB wait for room. 0: no limit."""
    max_head: int = 65_536
    """Bytes that the head of a request may have, request line and headers; a quarter of it for the URL alone."""
    head_seconds: float = 30.0
    """Seconds that the head of a request may take, and a new connection until its first. 0: no limit."""
    body_seconds: float = 60.0
    """Seconds for which a request body or an answer may move fewer than 512 bytes a second. 0: no limit."""
    retention_days: float = 0.0
    """Days after which ended runs, and files that were not used since, are removed by the server. 0: never."""
    conversation_days: float = 0.0
    """Days after which the server removes conversations without a new message, with all that is theirs. 0: never."""
    archive_after_days: float = 0.0
    """Days after which ended runs are moved out of the database into the bucket, at least 7. Needs `database_url` and
    `files_url`. 0: never."""
    backup_folder: Path | None = None
    """The folder in which the server makes backups by itself, each in a folder of its own. Empty: it makes none."""
    backup_url: str = ""
    """The bucket in which the server makes backups by itself: `s3://BUCKET/FOLDER?endpoint=https://HOST&region=NAME`.
    Empty: it makes none there."""
    backup_hours: float = 24.0
    """Hours from one of these backups to the next. 0: the server makes none."""
    backup_keep: int = 7
    """How many of these backups are kept; older ones are removed. 0: all are kept."""
    app_share: float = 0.75
    """Of what may be done at once (programs, documents, large bodies, HTTP and model requests), the part that one app
    may have."""
    max_runs: int = 10_000
    """Runs that go on at once, of all apps; further ones wait. 0: no limit."""
    max_runs_per_app: int = 2_000
    """Runs of one app that go on at once; further ones wait. 0: no limit."""
    max_queued_runs: int = 20_000
    """Runs of one app that wait for their turn; further ones are refused with 429. 0: none waits."""
    start_seconds: float = 8.0
    """Seconds that the start of a run may wait for the database; then it is refused with 503. 0: no limit."""
    text_seconds: float = 0.25
    """Seconds that streamed text, which clients of the server see at once, may wait to be written with what follows. A
    crash loses that much of it at most, and the model is asked again. 0: it is written at once."""
    runs_memory: int = 2 << 30
    """Bytes of values (as JSON) that all runs may hold at once. Nearer to it further ones wait; beyond it the run that
    holds most is stopped. 0: no limit."""
    requests_per_minute: int = 0
    """Requests that one API key may make in any 60 seconds. 0: no limit."""
    max_steps: int = 100_000
    """Nodes that one run may start (Dify: 500)."""
    max_seconds: float = 3600.0
    """Seconds that one run may take (Dify: 1200)."""
    max_parallel_nodes: int = 256
    """Nodes of one run that may be under way at once."""
    run_memory: int = 512 << 20
    """Bytes of values (as JSON) that one run may hold at once. 0: no limit."""
    max_text: int = 400_000
    """Characters of a text that a code or template node may make."""
    max_strings: int = 1000
    """Elements of an array of strings that a code node may make."""
    max_objects: int = 1000
    """Elements of an array of objects that a code node may make."""
    max_numbers: int = 1000
    """Elements of an array of numbers that a code node may make."""
    max_elements: int = 200_000
    """Elements of all arrays and objects together, nested ones too, that a code node may make, or a JSON body of over
    256 KiB have. There a number of n digits counts as n² / 8192 more."""
    max_expanded: int = 4_000_000
    """Characters that one node may make of texts with references: prompts, bodies, forms, conditions."""
    code_seconds: float = 15.0
    """Seconds that the code or template of one node may take."""
    code_memory: int = 256 << 20
    """Bytes that the code or template of one node may use."""
    code_cpu_seconds: int = 0
    """Seconds of CPU time that the code or template of one node may use. 0: as much as it can within its time."""
    code_output: int = 4 << 20
    """Bytes of JSON that the code of one node may return."""
    code_requests: int = 100
    """HTTP requests that the code of one node may make, with `requests` or `httpx`. 0: none."""
    code_processes: int = 0
    """Programs of users that run at once; more wait. 0: twice the cores, 16 at least."""
    code_queue: int = 20_000
    """Programs of one app that may wait; one more fails its node."""
    code_require_landlock: bool = False
    """Whether code and template nodes are refused on a kernel without Landlock (a second line of defence)."""
    packages: Path | None = None
    """The folder of packages that code nodes can import. Empty: `packages` in the data folder."""
    packages_load: tuple[str, ...] = ()
    """Modules of packages (separated by commas) to load ahead, besides those that are known to be used often."""
    lame_duck_seconds: float | None = None
    """Seconds for which a server that is to stop is not ready (`/readyz`) and still does all that is asked of it, so
    that a balancer leaves it first. Empty: 5 with `nats_url`, else 0."""
    shutdown_seconds: float = 10.0
    """Seconds that runs under way have to finish when the server stops; others go on at the next start. The server has
    ended 10 s after these, `lame_duck_seconds` and `drain_seconds`, whatever is silent."""
    drain_seconds: float = 0.0
    """Seconds that nodes under way then have to end, while no further ones start: so none runs again elsewhere."""
    log_level: str = "info"
    """How much the server tells: debug, info, warning or error."""
    log_format: str = "text"
    """How the lines of the log are written: `text`, or `json`, an object a line."""
    log_runs: bool = True
    """Whether the log has a line for each run that ends; one for each that fails it has always."""
    log_requests: str = "most"
    """Which requests have a line in the log: `all`, `most` (not the most frequent ones), `refused`, or `none`."""
    metrics_port: int = 0
    """The port that `GET /metrics` (Prometheus) is answered on, without a key, on the address of `host`. 0: none."""
    metrics_by_app: bool = False
    """Whether runs and tokens are counted by app, too."""
    trace_ratio: float = 1.0
    """The part of all runs that are traced, where OpenTelemetry is set up; runs that failed are in any case."""
    trace_content: bool = False
    """Whether the spans of calls of models have prompts and answers, as records have them."""
    trace_propagate: tuple[str, ...] = ()
    """Hosts (separated by commas) whose HTTP requests of workflows have a `traceparent`."""
    knowledge_memory: int = 512 << 20
    """Bytes of memory for the vectors of datasets that were searched lately."""
    knowledge_workers: int = 2
    """Documents that are indexed at once."""
    keys: str = ""
    """API keys that clients have already: lines ``APP = KEY``, or the path of a file with such lines."""
    env: tuple[EnvLayer, ...] = ()
    """Values for environment variables of workflows, by ``NAME`` or ``APP_NAME``."""

    def __post_init__(self) -> None:
        if wrong := list(self._out_of_range()):
            raise InvalidSettings("\n".join(wrong))

    def _out_of_range(self) -> Iterator[str]:
        for name, value in asdict(self).items():
            if isinstance(value, (int, float)) and not 0 <= value < math.inf:
                yield f"{name} is {value}; expected a number from 0 up."
        for name in ("app_share", "trace_ratio"):
            if (part := getattr(self, name)) > 1:
                yield f"{name} is {part}; expected a part, from 0 up to 1."
        for name in ("port", "metrics_port"):
            if (number := getattr(self, name)) > _LAST_PORT:
                yield f"{name} is {number}; the last one is {_LAST_PORT}."
        if self.max_head < _MIN_HEAD_BYTES:
            yield f"max_head is {self.max_head}; an ordinary request needs {_MIN_HEAD_BYTES} bytes."
        if self.workers > _MAX_WORKERS:
            yield f"workers is {self.workers}; at most {_MAX_WORKERS} processes can share the work."
        yield from self._no_addresses()
        if self.nats_url and not (self.database_url and self.files_url):
            yield "nats_url is for servers that share a database and a bucket: set database_url and files_url, too."
        if self.archive_after_days and not (self.database_url and self.files_url):
            yield "archive_after_days moves runs from PostgreSQL into a bucket: set database_url and files_url, too."
        if 0 < self.archive_after_days < _MIN_ARCHIVE_DAYS:
            yield f"archive_after_days is {self.archive_after_days}; {_MIN_ARCHIVE_DAYS} is the least, 0 is never."
        if self.nats_url and self.member_seconds < _MIN_MEMBER_SECONDS:
            yield f"member_seconds is {self.member_seconds}; 1 is the least that tells a dead server from a slow one."
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)).lower() not in choices:
                yield f"{name} is {value!r}; expected {', '.join(choices[:-1])} or {choices[-1]}."

    def _no_addresses(self) -> Iterator[str]:
        if not (self.database_url or self.nats_url or self.files_url or self.backup_url):
            return  # as most are: a start loads as little as it can
        from jikko.ports.addresses import diagnose_bucket_url, diagnose_database_url, diagnose_nats_url

        for name, diagnose in (
            ("database_url", diagnose_database_url),
            ("nats_url", diagnose_nats_url),
            ("files_url", diagnose_bucket_url),
            ("backup_url", diagnose_bucket_url),
        ):
            if (url := getattr(self, name)) and (wrong := diagnose(url)):
                yield f"{name} {wrong}."

    @property
    def database(self) -> Path:
        return self.home / "jikko.db"

    @property
    def has_database(self) -> bool:
        """Whether there is a record, as far as can be seen without asking a server."""
        return bool(self.database_url) or self.database.exists()

    @property
    def where_the_record_is(self) -> str:
        """The address of the database, without user and password, or the path of its file."""
        if not self.database_url:
            return str(self.database)
        from jikko.ports.addresses import shown

        return shown(self.database_url)

    @property
    def knowledge_database(self) -> Path:
        """The SQLite file of the datasets; not there if there are none."""
        return self.home / "knowledge.db"

    def address(self, port: int | str | None = None) -> str:
        """Where the server listens, as in an address of the web: ``http://127.0.0.1:8000``, ``http://[::1]:8000``.
        ``port``: the one that it has, if ``port`` leaves that open."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port if port is None else port}"

    @property
    def files(self) -> Path:
        return self.home / "files"

    @property
    def plugin_folder(self) -> Path:
        """The folder of installed plugins, from the root on: what is run there is in another folder."""
        return (self.home / "plugins").absolute()

    @property
    def packages_folder(self) -> Path:
        """The folder of packages that code nodes can import, from the root on."""
        return (self.packages or self.home / "packages").absolute()

    @property
    def stop_seconds(self) -> float:
        """Seconds after a signal within which a server has ended, whatever does not answer."""
        return self.lame_duck + self.shutdown_seconds + self.drain_seconds + STOP_AT_ONCE_SECONDS

    @property
    def lame_duck(self) -> float:
        """Seconds for which a server that is to stop still serves: ``lame_duck_seconds``, or its default."""
        if self.lame_duck_seconds is not None:
            return self.lame_duck_seconds
        return _LAME_DUCK_SECONDS if self.nats_url else 0.0

    @property
    def signing_key(self) -> Path:
        return self.home / "signing.key"


def for_worker(settings: Settings, workers: int) -> Settings:
    """The settings of one of ``workers`` processes: limits that hold for all together are shared out, rounded up.

    Those of programs and documents have defaults that are not here: they are shared out where these are.
    """

    def share(limit: int) -> int:
        return -(-limit // workers)

    return replace(
        settings,
        max_runs=share(settings.max_runs),
        max_runs_per_app=share(settings.max_runs_per_app),
        max_queued_runs=share(settings.max_queued_runs),
        body_memory=share(settings.body_memory),
        runs_memory=share(settings.runs_memory),
        http_connections=share(settings.http_connections),
        knowledge_memory=share(settings.knowledge_memory),
        plugin_processes=share(settings.plugin_processes),
    )
