# ruff: noqa: E501 (programs and their outcomes are kept on one line each)

"""Programs and templates as people write them run as they do in CPython, Node.js and jinja2."""

import sys
from collections.abc import AsyncIterator

import jinja2
import pytest

from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.languages.stdlib import offers
from jikko.sandbox.limits import SandboxLimits
from jikko.values import Json
from tests.effort import PATIENCE
from tests.sandbox.scene import outcome

pytestmark = pytest.mark.anyio

PYTHON: dict[str, tuple[str, Json]] = {
    # Each is the body of ``main``; ``return`` gives what is expected.
    "json": ("import json\nreturn json.loads('{\"a\": [1]}')['a']", [1]),
    "regular expressions": ("import re\nreturn re.sub(r'(?P<x>\\d+)', lambda m: str(int(m['x']) * 2), 'a1b22')", "a2b44"),
    "dates": ("from datetime import datetime, timedelta\nreturn (datetime(2024, 2, 28) + timedelta(days=2)).isoformat()", "2024-03-01T00:00:00"),
    "strptime": ("from datetime import datetime\nreturn datetime.strptime('1 May 2024', '%d %B %Y').strftime('%Y-%m-%d %a')", "2024-05-01 Wed"),
    "hashes": ("import hashlib, hmac\nreturn hashlib.sha256(b'x').hexdigest()[:8] + hmac.new(b'k', b'm', 'md5').hexdigest()[:8]", "2d711642ed7e724d"),
    "json and b64decode without an import": ("return [json.loads('[1]'), b64decode('w6k=').decode()]", [[1], "é"]),
    "base64": ("import base64\nreturn base64.b64encode('é'.encode()).decode()", "w6k="),
    "math and statistics": ("import math, statistics\nreturn [math.comb(5, 2), statistics.median([3, 1, 2]), statistics.mean([1, 2])]", [10, 2, 1.5]),
    "decimal and fractions": ("from decimal import Decimal\nfrom fractions import Fraction\nreturn [str(Decimal('1.10') + 1), str(Fraction(1, 3) * 3)]", ["2.10", "1"]),
    "collections": ("from collections import Counter, defaultdict, deque, OrderedDict\nreturn Counter('aab').most_common(1)[0][0] + str(deque([1, 2], 1)[0])", "a2"),
    "itertools and functools": ("import itertools, functools\nreturn functools.reduce(lambda a, b: a + b, itertools.accumulate([1, 2, 3]))", 10),
    "data classes": ("from dataclasses import dataclass, field, asdict\n@dataclass(kw_only=True)\nclass A:\n    x: int\n    y: list = field(default_factory=list)\nreturn asdict(A(x=1))", {"x": 1, "y": []}),
    "enums and abstract classes": ("from enum import Enum\nfrom abc import ABC, abstractmethod\nclass C(Enum):\n    A = 1\nreturn str(C.A) + C(1).name", "C.AA"),
    "typing": ("from typing import TypedDict, Optional, get_type_hints\nclass T(TypedDict):\n    a: int\nreturn sorted(get_type_hints(T))", ["a"]),
    "match": ("match {'k': [1, 2]}:\n    case {'k': [a, *rest]}:\n        return a + rest[0]", 3),
    "generators and closures": ("def gen():\n    x = yield 1\n    yield x\ng = gen(); next(g)\nreturn g.send(7)", 7),
    "csv and io": ("import csv, io\nreturn list(csv.DictReader(io.StringIO('a,b\\n1,2')))[0]", {"a": "1", "b": "2"}),
    "urllib.parse": ("from urllib.parse import urlparse, quote, parse_qs\nreturn [urlparse('https://a/b?x=1').netloc, quote('é /'), parse_qs('x=1')['x']]", ["a", "%C3%A9%20/", ["1"]]),
    "html and xml": ("import html, xml.etree.ElementTree as E\nreturn html.unescape('&amp;') + E.fromstring('<a><b>1</b></a>').find('b').text", "&1"),
    "minidom and sax": ("from xml.dom import minidom\nreturn minidom.parseString('<a b=\"1\"/>').documentElement.getAttribute('b')", "1"),
    "html.parser": ("from html.parser import HTMLParser\nout = []\nclass P(HTMLParser):\n    def handle_data(self, d): out.append(d)\nP().feed('<p>x</p>')\nreturn out", ["x"]),
    "time zones": ("from zoneinfo import ZoneInfo\nfrom datetime import datetime\nreturn datetime(2024, 7, 1, tzinfo=ZoneInfo('Europe/Berlin')).isoformat()", "2024-07-01T00:00:00+02:00"),
    "local time is UTC": ("import time, datetime\nreturn [time.strftime('%Z', time.localtime(0)), datetime.datetime.fromtimestamp(0).isoformat()]", ["UTC", "1970-01-01T00:00:00"]),
    "sleep": ("import time\nt = time.perf_counter(); time.sleep(0.01)\nreturn time.perf_counter() - t > 0.009", True),
    "legacy encodings": ("return ['中'.encode('gbk').hex(), 'a'.encode('utf-16-le').hex(), 'é'.encode('cp1252').hex(), '日'.encode('shift_jis').hex(), '한'.encode('euc-kr').hex()]", ["d6d0", "6100", "e9", "93fa", "c7d1"]),
    "logging": ("import logging\nlogging.basicConfig(level='INFO'); logging.getLogger('a').warning('w %s', 1)\nreturn 1", 1),
    "asyncio": ("import asyncio\nasync def f(n):\n    await asyncio.sleep(0.001)\n    return n\nasync def g(): return await asyncio.gather(f(1), asyncio.wait_for(f(2), 1))\nreturn asyncio.run(g())", [1, 2]),
    "asyncio queues and events": ("import asyncio\nasync def g():\n    q = asyncio.Queue()\n    async with asyncio.TaskGroup() as t:\n        t.create_task(q.put(5)); r = t.create_task(q.get())\n    return r.result()\nreturn asyncio.run(g())", 5),
    "tracebacks": ("import traceback\ntry: 1 / 0\nexcept Exception: return traceback.format_exc().splitlines()[-1]", "ZeroDivisionError: division by zero"),
    "inspect": ("import inspect\ndef f(a, b=1): return a\nreturn [str(inspect.signature(f)), inspect.getsource(f).strip()]", ["(a, b=1)", "def f(a, b=1): return a"]),
    "compression": ("import gzip, zlib, bz2, lzma\nx = b'x' * 100\nreturn [f.decompress(f.compress(x)) == x for f in (gzip, zlib, bz2, lzma)]", [True] * 4),
    "zip files in memory": ("import zipfile, io\nb = io.BytesIO()\nwith zipfile.ZipFile(b, 'w') as z: z.writestr('a.txt', 'x')\nreturn zipfile.ZipFile(b).read('a.txt').decode()", "x"),
    "e-mail": ("from email.mime.text import MIMEText\nimport email\nreturn email.message_from_string(MIMEText('x').as_string()).get_payload()", "x"),
    "ip addresses and text": ("import ipaddress, textwrap, difflib, unicodedata\nreturn [str(ipaddress.ip_network('10.0.0.0/30')[1]), textwrap.shorten('a b c d', 5, placeholder='.'), unicodedata.name('é')]", ["10.0.0.1", "a b.", "LATIN SMALL LETTER E WITH ACUTE"]),
    "pickle and copy of own classes": ("import pickle, copy\nreturn pickle.loads(pickle.dumps({1: {2}})) == copy.deepcopy({1: {2}})", True),
    "uuid, secrets and random": ("import uuid, secrets, random\nrandom.seed(1)\nreturn [len(str(uuid.uuid4())), len(secrets.token_hex(4)), random.randint(1, 100)]", [36, 8, 18]),
    "sqlite in memory": ("import sqlite3\nreturn sqlite3.connect(':memory:').execute('select 1 + 1').fetchone()[0]", 2),
    "heaps, bisection and arrays": ("import heapq, bisect, array, struct\nreturn [heapq.nsmallest(1, [3, 1]), bisect.bisect([1, 2], 1), array.array('i', [1]).tolist(), struct.pack('>H', 1).hex()]", [[1], 1, [1], "0001"]),
    "string formatting": ("import string\nx = 3.14159\nreturn [f'{x:8.2f}|{x!r}', string.Template('$a').substitute(a=1), '%05d' % 7, '{:,}'.format(1234567)]", ["    3.14|3.14159", "1", "00007", "1,234,567"]),
    "sorting and unicode": ("import locale\nreturn sorted(['b', 'A', 'é'], key=str.casefold) + ['ß'.upper()]", ["A", "b", "é", "SS"]),
    "calendar and pprint": ("import calendar, pprint\nreturn [calendar.monthrange(2024, 2)[1], pprint.pformat({'b': 1, 'a': 2})]", [29, "{'a': 2, 'b': 1}"]),
    "ast and eval": ("import ast\nreturn [ast.literal_eval('[1, {\"a\": 2}]'), eval('1 + 1')]", [[1, {"a": 2}], 2]),
    "context managers and suppress": ("import contextlib\nwith contextlib.suppress(KeyError): {}['x']\nwith contextlib.redirect_stdout(__import__('io').StringIO()) as f: print('hi')\nreturn f.getvalue()", "hi\n"),
    "toml and configuration": ("import tomllib, configparser\nc = configparser.ConfigParser(); c.read_string('[a]\\nb = 1')\nreturn [tomllib.loads('a = 1')['a'], c['a']['b']]", [1, "1"]),
    "jinja2": ("import jinja2\nreturn jinja2.Template('{{ a }}').render(a=1)", "1"),
    "files of modules": ("import wave\nreturn [hasattr(wave, '__file__'), wave.__spec__.origin]", [False, "<standard library>"]),
    "environment and platform": ("import os, sys, platform\nreturn [os.environ.get('HOME'), os.getenv('X', 'd'), sys.platform, platform.system()]", [None, "d", "linux", "Linux"]),
}  # fmt: skip

JAVASCRIPT: dict[str, tuple[str, Json]] = {
    "arrows, destructuring, spread, optional chaining": ("const main = ({a, ...r}) => ({r: [a, {...r}, r?.x?.y ?? 1]})", [1, {"b": 2}, 1]),
    "console": ("function main({a}) { console.log('x', {a}); console.table([]); console.error(new Error('e')); return {r: a} }", 1),
    "named groups and look-behind": ("function main() { return {r: ['2024-05'.match(/(?<y>\\d+)-/).groups.y, '$5 6'.replaceAll(/(?<=\\$)\\d/g, '#')]} }", ["2024", "$# 6"]),
    "toLocaleString": ("function main() { return {r: [(1234567.891).toLocaleString(), (1e21).toLocaleString().length > 20, (-1234.5).toLocaleString('en-US', {minimumFractionDigits: 2})]} }", ["1,234,567.891", True, "-1,234.50"]),
    "URL": ("function main() { const u = new URL('https://u:p@a.b:8080/c/../d?x=1&y=é#h'); u.searchParams.append('z', 'a b'); return {r: [u.host, u.pathname, u.href, u.origin, u.searchParams.get('y')]} }", ["a.b:8080", "/d", "https://u:p@a.b:8080/d?x=1&y=%C3%A9&z=a+b#h", "https://a.b:8080", "é"]),
    "relative URL": ("function main() { const f = (a, b) => new URL(a, b).href; return {r: [f('../x', 'http://a/b/c/d'), f('?q', 'http://a/b'), f('//c/d', 'https://a'), f('#f', 'http://a/b?c'), f('mailto:a@b'), f('HTTP://EXAMPLE.com:80')]} }", ["http://a/b/x", "http://a/b?q", "https://c/d", "http://a/b?c#f", "mailto:a@b", "http://example.com/"]),
    "URLSearchParams": ("function main() { const p = new URLSearchParams({a: 1, b: 'x y'}); p.append('a', '&'); p.delete('c'); return {r: [p.toString(), p.getAll('a'), [...new URLSearchParams('?q=%2B+1&e')], p.has('b'), p.size]} }", ["a=1&b=x+y&a=%26", ["1", "&"], [["q", "+ 1"], ["e", ""]], True, 3]),
    "Buffer": ("function main() { return {r: [Buffer.from('hé').toString('base64'), Buffer.from('aMOp', 'base64').toString(), Buffer.from('ff00', 'hex').length, Buffer.concat([Buffer.from('a'), Buffer.from('b')]).toString('hex'), Buffer.byteLength('é'), Buffer.isBuffer(Buffer.alloc(2)), JSON.stringify(Buffer.from([1]))]} }", ["aMOp", "hé", 2, "6162", 2, True, '{"type":"Buffer","data":[1]}']),
    "TextEncoder and TextDecoder": ("function main() { return {r: [[...new TextEncoder().encode('é😀')], new TextDecoder().decode(new Uint8Array([0xc3, 0xa9, 0xff, 0xf0, 0x9f, 0x98, 0x80]))]} }", [[195, 169, 240, 159, 152, 128], "é\ufffd😀"]),
    "structuredClone": ("function main() { const o = {d: new Date(5), m: new Map([[1, {a: [1]}]])}; o.self = o; const c = structuredClone(o); return {r: [c.self === c, c !== o, c.d.getTime(), c.m.get(1).a]} }", [True, True, 5, [1]]),
    "atob and btoa": ("function main() { return {r: [btoa('x'), atob('eA=='), encodeURIComponent('a b/é'), unescape(escape('ü'))]} }", ["eA==", "x", "a%20b%2F%C3%A9", "ü"]),
    "Map, Set, BigInt, Symbol": ("function main() { return {r: [[...new Set([1, 1, 2])], Object.fromEntries(new Map([['a', 1]])), (10n ** 20n).toString(), Symbol('s').description]} }", [[1, 2], {"a": 1}, "100000000000000000000", "s"]),
    "dates": ("function main() { return {r: [new Date('2024-01-01T00:00:00Z').toISOString(), new Date(2024, 0, 31).getDate(), Date.UTC(2024, 1, 1), typeof Date.now()]} }", ["2024-01-01T00:00:00.000Z", 31, 1706745600000, "number"]),
    "classes, private fields, generators, getters": ("class A { #x = 1; static y = 2; get x() { return this.#x } *g() { yield this.#x } }\nfunction main() { const a = new A(); return {r: [a.x, A.y, ...a.g()]} }", [1, 2, 1]),
    "newer array and object methods": ("function main() { return {r: [[3, 1].toSorted(), [1, 2].at(-1), [[1]].flat(), Object.groupBy([1, 2], x => x % 2 ? 'o' : 'e'), [1, 2, 3].findLast(x => x < 3), 'a'.padStart(3, '-'), Object.entries({a: 1})]} }", [[1, 3], 2, [1], {"o": [1], "e": [2]}, 2, "--a", [["a", 1]]]),
    "setTimeout, in order, without waiting": ("const seen = []; function main() { setTimeout(() => seen.push(2), 60000); setTimeout(() => seen.push(1), 10); const t = setTimeout(() => { throw 1 }, 5); clearTimeout(t); Promise.resolve().then(() => seen.push(0)); return {r: seen.length} }", 0),
    "getters of globalThis": ("var a = 1; function main() { return {r: [typeof globalThis, typeof global, globalThis.a, typeof window, typeof process]} }", ["object", "object", 1, "undefined", "undefined"]),
    "errors and JSON": ("function main() { try { JSON.parse('{') } catch (e) { return {r: [e instanceof SyntaxError, new Error('x', {cause: 1}).cause, JSON.stringify({a: [1, undefined]}, null, 1)]} } }", [True, 1, '{\n "a": [\n  1,\n  null\n ]\n}']),
    "labels, comma, var hoisting, with sloppy mode": ("function main() { x = 1; outer: for (var i = 0; ; i++) { for (;;) { if (i > 2) break outer; continue outer } } return {r: [x, i, typeof hoisted, (function () { return this === globalThis })()]}; var hoisted }", [1, 3, "undefined", True]),
    "typed arrays and numbers": ("function main() { return {r: [[...new Uint8Array([1, 256])], Number('0x10'), parseInt('12px'), (0.1 + 0.2).toFixed(2), Number.MAX_SAFE_INTEGER, 0b11 + 1_000]} }", [[1, 0], 16, 12, "0.30", 9007199254740991, 1003]),
}  # fmt: skip

TEMPLATES: dict[str, tuple[str, str]] = {
    "text": ("plain {# comment #}é", "plain é"),
    "values": ("{{ s }}|{{ n }}|{{ f }}|{{ t }}|{{ none }}|{{ l }}|{{ d }}", "a,b|3|1.5|True|None|[1, 2]|{'k': {'x': 1}}"),
    "attributes and items": ("{{ d.k.x }}{{ d['k']['x'] }}{{ l[0] }}{{ l[-1] }}{{ d.items()|list }}", "1112[('k', {'x': 1})]"),
    "undefined": ("[{{ nope }}][{{ d.nope }}][{{ l[9] }}]", "[][][]"),
    "conditions": ("{% if n > 2 and not none %}A{% elif n %}B{% else %}C{% endif %}", "A"),
    "inline if": ("{{ 'x' if t else 'y' }}{{ 'x' if none }}", "x"),
    "loops": ("{% for x in l %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.cycle('a', 'b') }};{% endfor %}", "1TrueFalse22a;2FalseTrue21b;"),
    "loop else and filter": ("{% for x in l if x > 5 %}{{ x }}{% else %}none{% endfor %}", "none"),
    "loop over a mapping": ("{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", "k={'x': 1}"),
    "recursive loop": ("{% for x in tree recursive %}{{ x.n }}{% if x.c %}({{ loop(x.c) }}){% endif %}{% endfor %}", "1(2(3))"),
    "loop previous and changed": ("{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{{ loop.previtem|default('-') }} {% endfor %}", "True- False1 True1 "),
    "set and block set": ("{% set a = 5 %}{% set b %}<{{ a }}>{% endset %}{{ b }}", "<5>"),
    "namespace": ("{% set ns = namespace(c=0) %}{% for x in l %}{% set ns.c = ns.c + x %}{% endfor %}{{ ns.c }}", "3"),
    "append and update": ("{% set xs = [] %}{% set _ = xs.append(1) %}{% set m = {} %}{% set _ = m.update({'a': 1}) %}{{ xs }}{{ m }}", "[1]{'a': 1}"),
    "macros": ("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }}{{ m(1, 3, 4, z=5) }}", "12(){}13(4,){'z': 5}"),
    "call blocks": ("{% macro m() %}[{{ caller('x') }}]{% endmacro %}{% call(v) m() %}{{ v }}!{% endcall %}", "[x!]"),
    "filter blocks": ("{% filter upper %}a{{ s }}{% endfilter %}", "AA,B"),
    "with": ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "3"),
    "raw": ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    "white space": ("a {%- if t -%} b {%- endif -%} c\n  {{- 1 }}\n", "abc1"),
    "trailing newline": ("a\n\n", "a\n"),
    "text filters": ("{{ ' aB '|trim|lower|title|replace('b', 'x') }}{{ 'ab'|capitalize|reverse }}{{ 'a b'|wordcount }}{{ 'abc'|truncate(5) }}{{ 'x'|center(3) }}", "AxbA2abc x "),
    "string methods": ("{{ s.split(',')[0].strip().zfill(3) }}{{ 'a'.center(3, '*') }}{{ '-'.join(['a', 'b']) }}{{ 'ab'[::-1] }}", "00a*a*a-bba"),
    "formatting": ("{{ '%.2f'|format(f) }}{{ '%05d' % n }}{{ '{:>4}|{:,}'.format(n, 12345) }}{{ f|round(0, 'floor')|int }}", "1.5000003   3|12,3451"),
    "list filters": ("{{ [3, 1, 2]|sort|join('-') }}{{ l|sum }}{{ l|first }}{{ l|last }}{{ [1, 1]|unique|list }}{{ l|length }}{{ [1, 2, 3]|batch(2)|list }}{{ l|max }}", "1-2-3312[1]2[[1, 2], [3]]2"),
    "map, select, reject, attribute": ("{{ tree|map(attribute='n')|list }}{{ l|select('odd')|list }}{{ l|reject('odd')|list }}{{ tree|selectattr('n', 'eq', 1)|map(attribute='n')|first }}", "[1][1][2]1"),
    "groupby and dictsort": ("{% for g, xs in tree|groupby('n') %}{{ g }}{{ xs|length }}{% endfor %}{{ {'b': 1, 'a': 2}|dictsort }}", "11[('a', 2), ('b', 1)]"),
    "tojson": ("{{ d|tojson }}{{ 'é<'|tojson }}{{ d|tojson(indent=1) }}", '{"k": {"x": 1}}"\\u00e9\\u003c"{\n "k": {\n  "x": 1\n }\n}'),
    "default": ("{{ nope|default('d') }}{{ ''|default('d', true) }}{{ none|d('x') }}", "ddNone"),
    "tests": ("{{ n is odd }}{{ nope is defined }}{{ s is string }}{{ l is iterable }}{{ d is mapping }}{{ none is none }}{{ 4 is divisibleby 2 }}{{ 1 in l }}{{ n is number }}", "TrueFalseTrueTrueTrueTrueTrueTrueTrue"),
    "escaping": ("{{ '<b>'|e }}{{ '<b>'|safe }}{{ '<p>x</p>'|striptags }}{{ 'a b&'|urlencode }}", "&lt;b&gt;<b>xa%20b%26"),
    "arithmetic": ("{{ 7 // 2 }}{{ 7 % 2 }}{{ 2 ** 3 }}{{ 7 / 2 }}{{ -n }}{{ 'a' ~ 1 }}{{ 'a' * 2 }}{{ [1] + [2] }}", "3183.5-3a1aa[1, 2]"),
    "slices and comparisons": ("{{ l[1:] }}{{ s[:1] }}{{ 1 < 2 < 3 }}{{ (1, 2) }}{{ {'a': 1}.get('b', 0) }}", "[2]aTrue(1, 2)0"),
    "globals": ("{{ range(3)|list }}{{ dict(a=1) }}{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{% set j = joiner(',') %}{{ j() }}{{ j() }}{{ lipsum(n=1, html=false)|length > 10 }}", "[0, 1, 2]{'a': 1}ab,True"),
    "random, xmlattr, urlize, wordwrap, pprint": ("{{ [1]|random }}{{ {'a': 1}|xmlattr }}{{ 'http://a.bc'|urlize }}{{ 'a b'|wordwrap(1) }}{{ d|pprint }}", "1 a=\"1\"<a href=\"http://a.bc\" rel=\"noopener\">http://a.bc</a>a\nb{'k': {'x': 1}}"),
    "numbers of large ranges": ("{% set ns = namespace(t=0) %}{% for x in range(150000) %}{% set ns.t = ns.t + 1 %}{% endfor %}{{ ns.t }}", "150000"),
    "underscores in keys": ("{{ u._id }}{{ u.__type }}", "12"),
    "inheritance within a template": ("{% block a %}x{% endblock %}{{ self.a() }}", "xx"),
}  # fmt: skip
VARIABLES: dict[str, Json] = {
    "s": "a,b", "n": 3, "f": 1.5, "t": True, "none": None, "l": [1, 2], "d": {"k": {"x": 1}},
    "tree": [{"n": 1, "c": [{"n": 2, "c": [{"n": 3, "c": []}]}]}], "u": {"_id": 1, "__type": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[ForkServerSandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE))
    yield made
    await made.close()


@pytest.mark.parametrize("name", PYTHON)
async def test_a_python_program_runs(name: str, sandbox: ForkServerSandbox) -> None:
    body, expected = PYTHON[name]
    lines = body.split("\n")
    code = (
        "def main():\n    def run():\n" + "\n".join("        " + line for line in lines) + "\n    return {'r': run()}"
    )

    seen = await outcome(sandbox, "python3", code)

    assert seen.error == ""
    assert seen.result == {"r": expected}


@pytest.mark.parametrize("name", JAVASCRIPT)
async def test_a_javascript_program_runs(name: str, sandbox: ForkServerSandbox) -> None:
    code, expected = JAVASCRIPT[name]

    seen = await outcome(sandbox, "javascript", code, {"a": 1, "b": 2})

    assert seen.error == ""
    assert seen.result == {"r": expected}


@pytest.mark.parametrize("name", TEMPLATES)
async def test_a_template_renders(name: str, sandbox: ForkServerSandbox) -> None:
    template, expected = TEMPLATES[name]

    first = await outcome(sandbox, "jinja2", template, VARIABLES)
    from_cache = await outcome(sandbox, "jinja2", template, VARIABLES)

    assert first.error == ""
    assert first.result == from_cache.result == expected


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_expected_of_templates_is_what_jinja2_gives(name: str) -> None:
    template, expected = TEMPLATES[name]

    assert jinja2.Template(template).render(**VARIABLES) == expected


async def test_the_modules_that_are_said_to_be_offered_are_those_that_can_be_imported(
    sandbox: ForkServerSandbox,
) -> None:
    names = [name for name in sorted(sys.stdlib_module_names) if not name.startswith("_")] + ["numpy", "pytest"]
    program = """
import importlib
def main(names):
    refused = []
    for name in names:
        try: importlib.import_module(name)
        except ImportError: refused.append(name)
    return {"refused": refused}
"""

    seen = await outcome(sandbox, "python3", program, {"names": names})

    for_screens_disks_and_installs = {
        "antigravity", "crypt", "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3", "msilib", "msvcrt",
        "nis", "nt", "ntpath", "nturl2path", "ossaudiodev", "pydoc_data", "readline", "spwd", "syslog", "this",
        "tkinter", "turtle", "turtledemo", "venv", "winreg", "winsound",
    }  # fmt: skip
    assert seen.error == ""
    refused = seen.result["refused"]
    assert refused == [name for name in names if not offers(name)]
    assert {*refused} <= for_screens_disks_and_installs | {"numpy", "pytest"}
