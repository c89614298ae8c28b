"""What a server of one machine does not wait for, and has no memory for."""

import subprocess
import sys

LIBRARIES = ("asyncpg", "nats", "obstore")
OURS = ("jikko.cluster.nats", "jikko.store.postgres")
MODULES = (
    "jikko.cli.main, jikko.cli.serve, jikko.assemble, jikko.server.worker, jikko.server.supervisor, jikko.http.app"
)


def test_nothing_of_several_servers_is_imported_by_one() -> None:
    code = (
        f"import sys, {MODULES}\n"
        "from jikko.settings import Settings\n"
        "import asyncio, tempfile, pathlib\n"
        "async def main():\n"
        "    with tempfile.TemporaryDirectory() as home:\n"
        "        async with jikko.assemble.assemble(Settings(home=pathlib.Path(home)), owned=True, console=True):\n"
        f"            print(sorted({{*{LIBRARIES!r}}} & set(sys.modules)))\n"
        f"            print(sorted(name for name in sys.modules if name.startswith({OURS!r})))\n"
        "asyncio.run(main())\n"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert found.stdout.splitlines() == ["[]", "[]"], found.stderr
