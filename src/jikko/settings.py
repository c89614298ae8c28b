"""All settings, in one place. Read once, by the command line, and passed on."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from jikko.apps.environment import EnvLayer
from jikko.default_home import default_home
from jikko.errors import InvalidSettings

PREFIX = "JIKKO_"
FILE_NAME = "jikko.toml"
"""File in the data folder, with the environment's names in lower case and without the prefix."""

_LAST_PORT = 65_535
IMMEDIATE_STOP_SECONDS = 10.0
"""Seconds in which a server stops that gives runs and nodes no time."""
_MAX_WORKERS = 1024
"""More than any machine has cores for; each takes files and memory, and running out of those reports less."""
_MIN_HEAD_BYTES = 4096
"""Bytes for headers of browsers and proxies, and our longest addresses."""
_MIN_CODE_MEMORY = 16 << 20
_MIN_CODE_OUTPUT = 1024
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
    """Every field is also an environment variable: ``JIKKO_`` and its name in capitals. The environment wins over the
    settings file, which wins over the defaults."""

    home: Path = field(default_factory=default_home)
    """The data folder: database, uploaded files, keys."""
    database_url: str = ""
    """The PostgreSQL database with the record: `postgresql://USER@HOST/DATABASE`. Empty: a SQLite file in the data
    folder."""
    files_url: str = ""
    """The bucket for the contents of files: `s3://BUCKET/FOLDER?endpoint=https://HOST&region=NAME`, all but the bucket
    optional. Empty: the data folder."""
    nats_url: str = ""
    """The NATS servers through which several servers share the work: `nats://USER:PASSWORD@HOST:4222`, separated by
    commas. Needs `database_url` and `files_url`. Empty: this is the only server."""
    nats_credentials: Path | None = None
    """Credentials for the NATS servers: a `.creds` file, or the seed of an NKey, read again for each connection. Empty:
    user and password of `nats_url`, if any."""
    nats_ca: Path | None = None
    """A PEM file of the authorities trusted for the NATS servers' certificates. Empty: those of the system."""
    nats_certificate: Path | None = None
    """A PEM file of this server's client certificate for NATS, if required."""
    nats_certificate_key: Path | None = None
    """A PEM file of the private key of `nats_certificate`. Empty: in the same file."""
    member_seconds: float = 10.0
    """Seconds without a heartbeat after which a server counts as dead: others take over its runs."""
    host: str = "127.0.0.1"
    """The address that the server listens on."""
    port: int = 8000
    """The port that the server listens on; 0 for any free one."""
    workers: int = 1
    """Server processes that share the work and the database. 0: one per core."""
    public_url: str = ""
    """The base URL for clients, for links to files. Empty: taken from each request."""
    root_path: str = ""
    """The path prefix of the server behind a proxy, such as `/jikko`: all links start with it."""
    console: bool = True
    """Whether the server has a console: the page at `/console/` and its API."""
    console_token: str = ""
    """An operator's token for the console, at least 32 characters. Empty: only created tokens."""
    console_shares: bool = False
    """Whether operators may create links that show one run without signing in, for at most a week."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies (or CIDR, separated by commas) whose `X-Forwarded-…` headers are trusted."""
    providers: Path | None = None
    """A YAML file of the providers of language models."""
    tools: Path | None = None
    """A YAML file of the tools that workflows name (APIs, MCP servers, apps), and of apps that are MCP servers."""
    triggers: Path | None = None
    """A YAML file of triggers: verification of webhooks; overlap, missed times and limits of schedules."""
    tool_seconds: float = 600.0
    """Seconds that one tool call may take; for a workflow as a tool, the limit of its run applies."""
    tool_max_text: int = 10 << 20
    """Characters of all text from one tool call."""
    tool_max_files: int = 64 << 20
    """Bytes of all files from one tool call."""
    tool_file_count: int = 1000
    """Files from one tool call, including fetched images."""
    plugins: Path | None = None
    """A YAML file of plugin credentials, plugin aliases, and the model that summarises for tools."""
    plugins_confine: str = "require"
    """Whether plugins are sandboxed: `require`, or `off`, which gives them all rights of the server."""
    plugins_keys: Path | None = None
    """A PEM file of public keys (RSA), such as the marketplace's: plugins without their signature are refused."""
    plugins_market: str = ""
    """The address that `jikko plugins install author/name` downloads from. Empty: no downloads."""
    plugin_seconds: float = 600.0
    """Seconds that one plugin call may take; models have their provider's `timeout` instead."""
    plugin_idle_seconds: float = 300.0
    """Idle seconds after which a plugin is ended."""
    plugin_processes: int = 16
    """Concurrent plugin processes; the least recently used makes room."""
    plugin_memory: int = 2 << 30
    """Bytes of memory for one plugin process, with its children."""
    plugin_disk: int = 1 << 30
    """Bytes in one plugin's folder (its `home` and `tmp`), in at most 20,000 files."""
    agent_model_calls: int = 200
    """Model calls by all agents of one run. 0: no limit."""
    agent_tool_calls: int = 500
    """Tool calls by all agents of one run. 0: no limit."""
    agent_tokens: int = 0
    """Tokens of all agents of one run. 0: no limit."""
    agent_price: float = 0.0
    """Cost of all agents of one run, by the models' prices. 0: no limit."""
    fake_models: bool = False
    """Whether models are faked: each answers at once, without a provider, a key or costs. For trying workflows."""
    mocks: str = ""
    """Outputs of mocked nodes: a JSON object, by node id or title. For trying workflows."""
    http_allow: tuple[str, ...] = ()
    """Private address ranges (CIDR, separated by commas) that workflows may reach over HTTP."""
    http_proxy: str = ""
    """A proxy for the HTTP requests of workflows."""
    http_max_text: int = 1 << 20
    """Bytes of text that an HTTP request node may receive, decompressed."""
    http_max_file: int = 10 << 20
    """Bytes of a file that an HTTP request node may receive, decompressed."""
    http_verify: bool = True
    """Whether HTTP request nodes verify certificates, by default."""
    http_connections: int = 512
    """Concurrent connections of HTTP request nodes."""
    upload_image: int = 10 << 20
    """Bytes of an uploaded image."""
    upload_video: int = 100 << 20
    """Bytes of an uploaded video."""
    upload_audio: int = 50 << 20
    """Bytes of an uploaded audio file."""
    upload_other: int = 15 << 20
    """Bytes of any other uploaded file."""
    link_seconds: float = 300.0
    """Lifetime of a link to a file, in seconds."""
    document_seconds: float = 60.0
    """Seconds that reading one document may take."""
    document_text: int = 16 << 20
    """Bytes of text (UTF-8) of one document."""
    document_memory: int = 1 << 30
    """Bytes of memory for reading one document."""
    max_body: int = 15 << 20
    """Bytes of a request's JSON body."""
    body_memory: int = 128 << 20
    """Bytes of request bodies in memory at once; those above 64 KiB wait for room. 0: no limit."""
    max_head: int = 65_536
    """Bytes of a request's head, request line and headers; a quarter of it for the URL alone."""
    head_seconds: float = 30.0
    """Seconds for a request's head, and for a new connection's first. 0: no limit."""
    body_seconds: float = 60.0
    """Seconds for which a request body or a response may stay below 512 bytes per second. 0: no limit."""
    retention_days: float = 0.0
    """Days after which the server removes ended runs, and unused files. 0: never."""
    conversation_days: float = 0.0
    """Days without a new message after which the server removes a conversation with all its data. 0: never."""
    archive_after_days: float = 0.0
    """Days, at least 7, after which ended runs move from the database to the bucket. Needs `database_url` and
    `files_url`. 0: never."""
    backup_folder: Path | None = None
    """The folder for the server's automatic backups, each in a subfolder. Empty: none."""
    backup_url: str = ""
    """The bucket for the server's automatic backups: `s3://BUCKET/FOLDER?endpoint=https://HOST&region=NAME`. Empty:
    none."""
    backup_hours: float = 24.0
    """Hours between automatic backups. 0: none."""
    backup_keep: int = 7
    """Automatic backups to keep; older ones are removed. 0: all."""
    app_share: float = 0.75
    """The share of shared resources (programs, documents, large bodies, HTTP and model requests) that one app
    may hold."""
    max_runs: int = 10_000
    """Concurrent runs of all apps; further ones wait. 0: no limit."""
    max_runs_per_app: int = 2_000
    """Concurrent runs of one app; further ones wait. 0: no limit."""
    max_queued_runs: int = 20_000
    """Queued runs of one app; further ones are refused with 429. 0: no queue."""
    start_seconds: float = 8.0
    """Seconds that the start of a run may wait for the database before a 503. 0: no limit."""
    text_seconds: float = 0.25
    """Seconds that streamed text, which clients of the server see at once, may wait to be written with later events. A
    crash loses at most that much, and the model is asked again. 0: written at once."""
    runs_memory: int = 2 << 30
    """Bytes of values (as JSON) of all runs. Close to it new runs wait; beyond it the largest run is stopped. 0: no
    limit."""
    requests_per_minute: int = 0
    """Requests of one API key in any 60 seconds. 0: no limit."""
    max_steps: int = 100_000
    """Nodes that one run may start (Dify: 500)."""
    max_seconds: float = 3600.0
    """Seconds that one run may take (Dify: 1200)."""
    max_parallel_nodes: int = 256
    """Concurrent nodes of one run."""
    run_memory: int = 512 << 20
    """Bytes of values (as JSON) of one run. 0: no limit."""
    max_text: int = 400_000
    """Characters of a text made by a code or template node."""
    max_strings: int = 1000
    """Elements of an array of strings made by a code node."""
    max_objects: int = 1000
    """Elements of an array of objects made by a code node."""
    max_numbers: int = 1000
    """Elements of an array of numbers made by a code node."""
    max_elements: int = 200_000
    """Total elements of all arrays and objects, nested ones included, made by a code node, or in a JSON body above 256
    KiB. There a number of n digits counts as n² / 8192 more."""
    max_expanded: int = 4_000_000
    """Characters that one node may render from texts with references: prompts, bodies, forms, conditions."""
    code_seconds: float = 15.0
    """Seconds for the code or template of one node."""
    code_memory: int = 256 << 20
    """Bytes of memory for the code or template of one node."""
    code_cpu_seconds: int = 0
    """CPU seconds for the code or template of one node. 0: bounded by its time alone."""
    code_output: int = 4 << 20
    """Bytes of JSON returned by the code of one node."""
    code_requests: int = 100
    """HTTP requests by the code of one node, with `requests` or `httpx`. 0: none."""
    code_processes: int = 0
    """Concurrent user programs; more wait. 0: twice the cores, at least 16."""
    code_queue: int = 20_000
    """Queued programs of one app; one more fails its node."""
    code_require_landlock: bool = False
    """Whether code and template nodes are refused on a kernel without Landlock (a second line of defence)."""
    packages: Path | None = None
    """The folder of packages that code nodes can import. Empty: `packages` in the data folder."""
    packages_load: tuple[str, ...] = ()
    """Package modules (separated by commas) to preload, besides those known to be common."""
    lame_duck_seconds: float | None = None
    """Seconds for which a stopping server is not ready (`/readyz`) but still serves, so that a balancer removes it
    first. Empty: 5 with `nats_url`, else 0."""
    shutdown_seconds: float = 10.0
    """Seconds that active runs have to finish when the server stops; others continue at the next start. The server ends
    at most 10 s after these, `lame_duck_seconds` and `drain_seconds`, even if something hangs."""
    drain_seconds: float = 0.0
    """Seconds that active nodes then have to finish, while no new ones start: so none runs twice."""
    log_level: str = "info"
    """The log level: debug, info, warning or error."""
    log_format: str = "text"
    """The log format: `text`, or `json`, one object a line."""
    log_runs: bool = True
    """Whether ended runs are logged; failed runs always are."""
    log_requests: str = "most"
    """The logged requests: `all`, `most` (not the most frequent ones), `refused`, or `none`."""
    metrics_port: int = 0
    """The port of `GET /metrics` (Prometheus), without a key, on the address of `host`. 0: none."""
    metrics_by_app: bool = False
    """Whether runs and tokens are also counted by app."""
    trace_ratio: float = 1.0
    """The share of traced runs, if OpenTelemetry is set up; failed runs always are."""
    trace_content: bool = False
    """Whether spans of model calls include prompts and answers, as recorded."""
    trace_propagate: tuple[str, ...] = ()
    """Hosts (separated by commas) that get a `traceparent` in HTTP requests of workflows."""
    knowledge_memory: int = 512 << 20
    """Bytes of memory for the vectors of recently searched datasets."""
    knowledge_workers: int = 2
    """Documents indexed concurrently."""
    keys: str = ""
    """Existing API keys of clients: lines ``APP = KEY``, or the path of a file with such lines."""
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
                yield f"{name} is {part}; expected a share from 0 to 1."
        for name in ("port", "metrics_port"):
            if (number := getattr(self, name)) > _LAST_PORT:
                yield f"{name} is {number}; the highest is {_LAST_PORT}."
        if self.max_head < _MIN_HEAD_BYTES:
            yield f"max_head is {self.max_head}; an ordinary request needs {_MIN_HEAD_BYTES} bytes."
        if self.code_memory < _MIN_CODE_MEMORY:
            yield f"code_memory is {self.code_memory}; Python alone needs {_MIN_CODE_MEMORY} bytes."
        if self.code_output < _MIN_CODE_OUTPUT:
            yield f"code_output is {self.code_output}; {_MIN_CODE_OUTPUT} is the minimum."
        if not self.code_seconds:
            yield "code_seconds is 0; expected more."
        if self.workers > _MAX_WORKERS:
            yield f"workers is {self.workers}; at most {_MAX_WORKERS} processes can share the work."
        if self.public_url and not self.public_url.lower().startswith(("http://", "https://")):
            yield f"public_url is {self.public_url!r}; expected a URL such as https://jikko.example."
        yield from self._no_addresses()
        if self.nats_url and not (self.database_url and self.files_url):
            yield "nats_url is for servers that share a database and a bucket: set database_url and files_url, too."
        if self.archive_after_days and not (self.database_url and self.files_url):
            yield "archive_after_days moves runs from PostgreSQL into a bucket: set database_url and files_url, too."
        if 0 < self.archive_after_days < _MIN_ARCHIVE_DAYS:
            yield f"archive_after_days is {self.archive_after_days}; {_MIN_ARCHIVE_DAYS} is the minimum, 0 is never."
        if self.nats_url and self.member_seconds < _MIN_MEMBER_SECONDS:
            yield f"member_seconds is {self.member_seconds}; 1 is the minimum to tell a dead server from a slow one."
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)).lower() not in choices:
                yield f"{name} is {value!r}; expected {', '.join(choices[:-1])} or {choices[-1]}."

    def _no_addresses(self) -> Iterator[str]:
        if not (self.database_url or self.nats_url or self.files_url or self.backup_url):
            return  # the common case: a start loads as little as possible
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
        """Return whether there is a record, as far as known without asking a server."""
        return bool(self.database_url) or self.database.exists()

    @property
    def where_the_record_is(self) -> str:
        """Return the database's address, without user and password, or the path of its file."""
        if not self.database_url:
            return str(self.database)
        from jikko.ports.addresses import shown

        return shown(self.database_url)

    @property
    def knowledge_database(self) -> Path:
        """SQLite file of the datasets, which may be missing."""
        return self.home / "knowledge.db"

    def address(self, port: int | str | None = None) -> str:
        """Return the server's base URL: ``http://127.0.0.1:8000``, ``http://[::1]:8000``. ``port``: The actual port, if
        the setting leaves it open."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port if port is None else port}"

    @property
    def files(self) -> Path:
        return self.home / "files"

    @property
    def plugin_folder(self) -> Path:
        """Absolute path of the folder of installed plugins: they run in another folder."""
        return (self.home / "plugins").absolute()

    @property
    def packages_folder(self) -> Path:
        """Absolute path of the folder of packages that code nodes can import."""
        return (self.packages or self.home / "packages").absolute()

    @property
    def stop_seconds(self) -> float:
        """Seconds after a signal in which the server ends, even if something hangs."""
        return self.lame_duck + self.shutdown_seconds + self.drain_seconds + IMMEDIATE_STOP_SECONDS

    @property
    def lame_duck(self) -> float:
        """Seconds for which a stopping server still serves: ``lame_duck_seconds``, or its default."""
        if self.lame_duck_seconds is not None:
            return self.lame_duck_seconds
        return _LAME_DUCK_SECONDS if self.nats_url else 0.0

    @property
    def signing_key(self) -> Path:
        return self.home / "signing.key"


def for_worker(settings: Settings, workers: int) -> Settings:
    """Return the settings of one of ``workers`` processes: shared limits are divided, rounded up. Those of programs and
    documents have their defaults elsewhere, and are divided there."""

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
