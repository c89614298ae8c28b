from jikko.client.answers import ChatReply as ChatReply
from jikko.client.answers import FlowRun as FlowRun
from jikko.client.answers import RunEvent as RunEvent
from jikko.client.answers import RunUnsuccessful as RunUnsuccessful
from jikko.client.answers import ServiceError as ServiceError
from jikko.client.async_client import AsyncClient as AsyncClient
from jikko.client.sync_client import Client as Client
from jikko.embedded.embedded_app import App as App
from jikko.embedded.flow import Flow as Flow
from jikko.embedded.flow import load as load
from jikko.embedded.replaying import replay as replay
from jikko.embedded.replaying import replay_async as replay_async
from jikko.errors import InvalidDocument as InvalidDocument
from jikko.errors import InvalidParam as InvalidParam
from jikko.errors import JikkoError as JikkoError
from jikko.proving.replay_verdict import ReplayedResult as ReplayedResult

__version__: str
