"""The operation of apps that are MCP servers."""

from typing import Final

from jikko.http.operation import Operation
from jikko.http.routes import mcp_server

MCP_OPERATIONS: Final = (
    Operation(
        "POST",
        "/mcp/server/{code}/mcp",
        mcp_server.answer_mcp,
        "Send a message to an app that is an MCP server (mcp_servers: of the tools file)",
        {200: mcp_server.McpAnswer, 202: "application/json"},
        (400, 404, 413, 415, 429, 503),
        tag="MCP",
        body=mcp_server.McpMessage,
        open=True,
    ),
)
