"""The libraries that workflows use most, from the package index, under the lock."""

import ast
import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from jikko.assemble.sandboxes import package_folder, try_sandbox
from jikko.forecast.known_installation import installation
from jikko.nodes.data.code import Code
from jikko.ports.http import HttpResponse, OutgoingRequest
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import MIB, SandboxLimits
from jikko.settings import Settings
from jikko.values import Json
from tests.effort import PATIENCE
from tests.forecast.running import foretold
from tests.nodes.context import FakeContext, FilesOfOneUser, ScriptedHttp, fields
from tests.sandbox import test_attacks
from tests.sandbox.packages.examples import examples
from tests.sandbox.scene import WITH_NATIVE_CODE, descendants, kilobytes, outcome, until
from tests.sandbox.test_attacks import Sandboxes, sandbox, secret_file

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.services]

__all__ = ["sandbox", "secret_file"]  # fixtures

# The last brings a font with Japanese characters, whatever fonts the machine has.
LIBRARIES = ("numpy", "pandas", "sympy", "matplotlib", "jieba", "scikit-learn", "openpyxl", "matplotlib-fontja")
SAMPLES = Path(__file__).parents[2] / "forecast" / "samples"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with the libraries, installed as an operator does."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "jikko", "packages", "install", *LIBRARIES, "--home", str(home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {entry["name"] for entry in map(json.loads, done.stdout.splitlines()) if entry["requested"]}
    assert names == set(LIBRARIES)
    return Settings(home=home)


@pytest.fixture(scope="module")
async def sandboxes(settings: Settings, anyio_backend: str) -> AsyncIterator[Sandboxes]:
    """As those of the attacks, with the libraries."""
    os.environ["JIKKO_TEST_SECRET"] = test_attacks.SECRET
    made = [
        ForkServerSandbox(
            SandboxLimits(wall_seconds=seconds, memory_bytes=24 * MIB, concurrent_runs=2),
            packages=package_folder(settings),
            program=WITH_NATIVE_CODE + PROGRAM,
        )
        for seconds in (0.3, PATIENCE)
    ]
    for one in made:
        assert await test_attacks.works(one)
    yield Sandboxes(*made)
    del os.environ["JIKKO_TEST_SECRET"]
    for one in made:
        await one.close()


# The attacks themselves, beside the libraries.
test_an_attack_fails_and_leaves_the_sandbox_as_it_was = (
    test_attacks.test_an_attack_fails_and_leaves_the_sandbox_as_it_was
)
test_two_runs_draw_different_random_numbers = test_attacks.test_two_runs_draw_different_random_numbers


@pytest.fixture(scope="module")
async def roomy(settings: Settings, anyio_backend: str) -> AsyncIterator[ForkServerSandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE), packages=package_folder(settings))
    yield made
    await made.close()


PROGRAMS: dict[str, tuple[str, Json]] = {
    "numpy": (
        "import numpy as np\nr = [np.linalg.inv(np.array([[2., 0.], [0., 4.]])).tolist(), "
        "np.fft.fft([1, 0, 0, 0]).real.tolist(), int(np.random.default_rng(1).integers(1, 2))]",
        [[[0.5, 0.0], [0.0, 0.25]], [1.0, 1.0, 1.0, 1.0], 1],
    ),
    "numpy, a product that asks for threads": (
        "import numpy as np\na = np.ones((600, 600))\nr = float((a @ a).sum())",
        216000000.0,
    ),
    "pandas": (
        "import io, pandas as pd\nf = pd.read_csv(io.StringIO('k,v\\n日,1\\n本,2\\n日,3'))\n"
        "r = [f.groupby('k').v.sum().to_dict(), json.loads(f.to_json(orient='records', force_ascii=False))[0], "
        "pd.to_datetime('2024-03-10 12:00').tz_localize('Asia/Tokyo').isoformat(), f.pivot_table(index='k').shape[0]]",
        [{"日": 4, "本": 2}, {"k": "日", "v": 1}, "2024-03-10T12:00:00+09:00", 2],
    ),
    "sympy": (
        "from sympy import Symbol, integrate, latex, sin, solve, lambdify\nx = Symbol('x')\n"
        "r = [str(integrate(sin(x), x)), [str(s) for s in solve(x**2 - 2, x)], latex(x**2), lambdify(x, x + 1)(2)]",
        ["-cos(x)", ["-sqrt(2)", "sqrt(2)"], "x^{2}", 3],
    ),
    "jieba": (
        "import jieba, jieba.analyse\njieba.add_word('日本語')\nr = [list(jieba.cut('我来到北京清华大学')), "
        "jieba.analyse.extract_tags('北京清华大学 北京清华大学', topK=1)]",
        [["我", "来到", "北京", "清华大学"], ["清华大学"]],
    ),
    "jieba, parts of speech": ("import jieba.posseg as p\nr = [[w.word, w.flag] for w in p.cut('我爱北京')]", None),
    "scikit-learn": (
        "from sklearn.datasets import load_iris\nfrom sklearn.ensemble import RandomForestClassifier\n"
        "from sklearn.cluster import KMeans\nfrom sklearn.feature_extraction.text import TfidfVectorizer\n"
        "x, y = load_iris(return_X_y=True)\n"
        "r = [RandomForestClassifier(n_estimators=5, random_state=1).fit(x, y).score(x, y) > 0.9, "
        "len(set(KMeans(3, n_init=2, random_state=1).fit(x).labels_.tolist())), "
        "TfidfVectorizer().fit_transform(['a bc', 'bc de']).shape[0]]",
        [True, 3, 2],
    ),
    "scikit-learn, on all processors": (
        "from joblib import Parallel, delayed\nfrom sklearn.datasets import load_iris\n"
        "from sklearn.ensemble import RandomForestClassifier\nx, y = load_iris(return_X_y=True)\n"
        "r = [RandomForestClassifier(n_estimators=5, n_jobs=-1, random_state=1).fit(x, y).score(x, y) > 0.9, "
        "Parallel(n_jobs=2)(delayed(abs)(n) for n in (-1, 2)), Parallel(2, 'threading')([delayed(abs)(-3)])]",
        [True, [1, 2], [3]],
    ),
    "openpyxl, a workbook in memory": (
        "import io, pandas as pd\nb = io.BytesIO()\n"
        "with pd.ExcelWriter(b) as w:\n    for name in ('日', '本'):\n"
        "        pd.DataFrame({'v': [1, name]}).to_excel(w, sheet_name=name, index=False)\n"
        "r = {name: f.v.tolist() for name, f in pd.read_excel(b, sheet_name=None).items()}",
        {"日": [1, "日"], "本": [1, "本"]},
    ),
    "scipy": ("from scipy import optimize\nr = round(optimize.brentq(lambda v: v * v - 2, 0, 2), 6)", 1.414214),
    "matplotlib": (
        "import io, matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.title('日本 $x^2$')\n"
        "b = io.BytesIO()\nplt.savefig(b, format='png')\nr = b.getvalue()[:4].hex()",
        "89504e47",
    ),
    "matplotlib, characters that the font that is asked for lacks": (
        "import io, warnings, matplotlib.pyplot as plt\n"
        "plt.rcParams['font.family'], plt.rcParams['font.sans-serif'] = 'sans-serif', ['SimHei', 'DejaVu Sans']\n"
        "with warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n"
        "    f, a = plt.subplots()\n    a.set_title('日本の売上', weight='bold')\n    f.savefig(io.BytesIO())\n"
        "r = [str(one.message) for one in w]",
        [],
    ),
    "matplotlib, other formats": (
        "import io, matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\nf, a = plt.subplots()\n"
        "a.plot([1, 2])\nr = []\nfor kind in ('svg', 'pdf', 'jpg'):\n    b = io.BytesIO()\n"
        "    f.savefig(b, format=kind)\n    r.append(len(b.getvalue()) > 1000)",
        [True, True, True],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_library_does_its_work_under_the_lock(name: str, roomy: ForkServerSandbox) -> None:
    text, expected = PROGRAMS[name]
    body = "\n".join(f"    {line}" for line in text.splitlines())

    seen = await outcome(roomy, "python3", f"import json\ndef main():\n{body}\n    return {{'r': r}}")

    assert seen.error == ""
    if expected is not None:
        assert seen.result == {"r": expected}


@pytest.mark.parametrize("module", ["numpy", "pandas", "sympy", "matplotlib.pyplot", "jieba", "sklearn.cluster"])
async def test_an_import_costs_nothing_as_it_is_there(module: str, roomy: ForkServerSandbox) -> None:
    code = f"import sys\ndef main(): return {{'r': '{module}' in sys.modules}}"

    assert (await outcome(roomy, "python3", code)).result == {"r": True}


async def test_the_self_test_passes_with_the_libraries(settings: Settings) -> None:
    lines = {line.where: line for line in await try_sandbox(settings)}

    assert [line for line in lines.values() if not line.ok] == []
    assert lines["packages"].severity == "ok", lines["packages"]
    assert re.search(r"\bnumpy \d", lines["packages"].sentence())


async def test_the_limit_of_memory_holds_beside_the_libraries(roomy: ForkServerSandbox) -> None:
    take = "import numpy as np\ndef main(): return {{'r': int(np.ones({0} << 17).sum() / (1 << 17))}}"

    assert (await outcome(roomy, "python3", take.format(40))).result == {"r": 40}
    seen = await outcome(roomy, "python3", take.format(400))

    assert "broke the memory limit of 256 MiB" in seen.error


async def test_children_share_the_memory_of_the_libraries(roomy: ForkServerSandbox) -> None:
    await roomy.run_code("python3", "def main(): return {}", {})
    server = roomy.fork_server
    assert server is not None
    code = "import time, numpy, pandas, sympy, matplotlib.pyplot, sklearn\ndef main(): time.sleep(600)"
    work = asyncio.create_task(roomy.run_code("python3", code, {}))
    try:
        await until(lambda: server.active == 1 and server.idle > 0)
        whole = kilobytes(server.process_id, "Rss")
        own = [kilobytes(child, "Private_Dirty") for child in descendants(server.process_id)]
    finally:
        work.cancel()
        await asyncio.wait([work])

    assert whole > 150 << 10
    assert max(own) < whole / 8, (own, whole)


async def ran(name: str, node: str, sandbox: ForkServerSandbox, http: Any = None, **arguments: Json) -> Any:
    """The outputs of a code node of a file."""
    document = yaml.safe_load((SAMPLES / f"{name}.yml").read_text(encoding="utf-8"))
    [data] = [
        entry["data"]
        for entry in document["workflow"]["graph"]["nodes"]
        if entry["data"]["type"] == "code" and entry["data"]["title"] == node
    ]
    data = {**data, "variables": [{"variable": key, "value_selector": ["in", key]} for key in arguments]}
    ctx = FakeContext({"in": arguments}, http=http)
    replaced: Any = {"sandbox": sandbox}
    ctx.ports = msgspec.structs.replace(ctx.ports, **replaced)
    return dict((await Code.from_dsl(fields(data)).run(ctx)).outputs)


async def test_a_file_of_the_community_cuts_chinese_into_words(roomy: ForkServerSandbox) -> None:
    outputs = await ran("jieba", "代码执行", roomy, input_content="我来到北京清华大学")

    assert ast.literal_eval(outputs["output"]) == ["我", "来到", "北京", "清华大学"]


async def test_a_file_of_the_community_draws_a_picture(roomy: ForkServerSandbox) -> None:
    outputs = await ran("matplotlib", "代码执行", roomy)

    picture = base64.b64decode(outputs["result"])
    assert picture.startswith(b"\x89PNG")
    assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (800, 600)


async def test_a_file_of_the_community_repairs_json(roomy: ForkServerSandbox) -> None:
    outputs = await ran("json-repair", "代码执行", roomy, llm_string="{'名': '日本',}")

    assert outputs == {"result": '{"名": "日本"}'}


async def test_a_file_of_the_community_calls_a_service_and_fetches_what_it_names(roomy: ForkServerSandbox) -> None:
    class Tencent(ScriptedHttp):
        async def send(self, request: OutgoingRequest) -> HttpResponse:
            self.requests.append(request)
            if request.method == "GET":
                return HttpResponse(200, (("Content-Type", "text/vtt; charset=utf-8"),), "WEBVTT 日本".encode())
            subtitles = [{"Id": "1", "Url": "http://vtt.test/1"}]
            found = {"Response": {"MediaInfoSet": [{"SubtitleInfo": {"SubtitleSet": subtitles}}]}}
            return HttpResponse(200, (("Content-Type", "application/json"),), json.dumps(found).encode())

    http = Tencent()

    outputs = await ran("subtitles", "代码执行", roomy, http, file_ids="1", sub_appid=7)

    assert outputs == {"status": 1, "content": "WEBVTT 日本"}
    asked, fetched = http.requests
    assert (asked.url, json.loads(asked.body or b"")) == (  # type: ignore[arg-type]
        "https://vod.tencentcloudapi.com/",
        {"FileIds": ["1"], "SubAppId": 7},
    )
    assert fetched.url == "http://vtt.test/1"


async def test_a_file_of_the_community_reads_a_table_that_is_not_there(
    roomy: ForkServerSandbox, settings: Settings
) -> None:
    found = await ran("file-read", "获取文件路径", roomy, filesize=3)
    outputs = await ran("file-read", "读取csv", roomy, file_path=found["file_path"])

    assert found == {"file_path": "None"}
    assert outputs["result"].startswith("错误: ")
    here = installation(None, {}, packages=settings.packages_folder)
    assert foretold((SAMPLES / "file-read.yml").read_bytes(), here).verdict == "runs"
    assert foretold((SAMPLES / "file-read.yml").read_bytes()).verdict == "will_fail"


@pytest.mark.parametrize("example", [one for one in examples() if one.needs], ids=lambda one: ", ".join(one.needs))
async def test_the_examples_of_the_page_run(example: Any, roomy: ForkServerSandbox) -> None:
    if example.result is not None:
        assert await roomy.run_code("python3", example.code, example.arguments) == example.result
        return
    outputs: Json = {"picture": {"type": "file"}, "report": {"type": "file"}}
    data = {"code_language": "python3", "code": example.code, "outputs": outputs}
    files = FilesOfOneUser()
    ctx = FakeContext({"in": {"values": [1, 4, 2]}}, files=files)
    replaced: Any = {"sandbox": roomy}
    ctx.ports = msgspec.structs.replace(ctx.ports, **replaced)
    variables: Json = [{"variable": "values", "value_selector": ["in", "values"]}]

    await Code.from_dsl(fields({**data, "variables": variables})).run(ctx)

    picture, report = files.made
    assert (picture["name"], picture["mime_type"], picture["content"][:4]) == ("picture.png", "image/png", b"\x89PNG")
    assert (report["name"], report["content"]) == ("sales.csv", b"1\n4\n2")
