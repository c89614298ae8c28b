"""Reading documents in other processes."""

import asyncio
import gc
import os
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.documents.formats import parse
from jikko.documents.processes import DocumentLimits, DocumentProcesses
from jikko.ports.files.documents import DocumentFailure
from tests.documents.made import a_docx, a_pdf, encrypted
from tests.effort import PATIENCE, cpu_seconds
from tests.sandbox.scene import descendants

pytestmark = pytest.mark.anyio

LIMITS = DocumentLimits(max_processes=2, max_seconds=PATIENCE, max_text=200_000)


@pytest.fixture
async def reader() -> AsyncIterator[DocumentProcesses]:
    reader = DocumentProcesses(LIMITS)
    yield reader
    await reader.close()


async def test_documents_of_several_formats_are_read_one_after_the_other(reader: DocumentProcesses) -> None:
    assert await reader.extract("日本 🎌\n".encode(), filename="報告 📄.txt", mime_type="") == "日本 🎌\n"
    assert await reader.extract(a_pdf("Hello"), filename="a.pdf", mime_type="") == "Hello"
    assert (await reader.extract(a_docx(), filename="a.docx", mime_type="")).endswith("Para two")


async def test_a_failure_is_told_and_the_next_document_is_read(reader: DocumentProcesses) -> None:
    with pytest.raises(DocumentFailure, match="encrypted with a password"):
        await reader.extract(encrypted(a_pdf("x")), filename="a.pdf", mime_type="")

    assert await reader.extract(b"x", filename="a.txt", mime_type="") == "x"


async def test_an_unknown_format_needs_no_process(reader: DocumentProcesses) -> None:
    with pytest.raises(DocumentFailure, match="Unsupported Extension Type"):
        await reader.extract(b"x", filename="a.xyz", mime_type="")


async def test_many_documents_are_read_at_once(reader: DocumentProcesses) -> None:
    texts = await asyncio.gather(
        *(reader.extract(b"%d" % number, filename="a.txt", mime_type="") for number in range(20))
    )

    assert texts == [str(number) for number in range(20)]


async def test_a_large_document_does_not_hold_up_the_event_loop(reader: DocumentProcesses) -> None:
    reader = DocumentProcesses(DocumentLimits())
    content = b"[" + b"1," * 2_000_000 + b"1]"
    longest = 0.0
    # The garbage collector would walk through what other tests left.
    gc.disable()
    try:
        task = asyncio.create_task(reader.extract(content, filename="a.json", mime_type=""))
        while not task.done():
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)
    finally:
        gc.enable()
    await reader.close()

    assert len(task.result()) > 10_000_000
    assert longest < cpu_seconds(lambda: parse("JSON", content)) / 4


async def test_text_can_be_too_much(reader: DocumentProcesses) -> None:
    with pytest.raises(DocumentFailure, match="more than 200000 bytes of text"):
        await reader.extract(b"x" * 200_001, filename="a.txt", mime_type="")


@pytest.mark.slow
async def test_a_document_that_takes_too_long_is_given_up_and_the_next_one_is_read() -> None:
    reader = DocumentProcesses(DocumentLimits(max_processes=1, max_seconds=3.0))
    endless = "\n".join(f"k{number}: &a{number} {{x: y}}" for number in range(400_000))
    try:
        with pytest.raises(DocumentFailure, match="takes more than 3 seconds"):
            await reader.extract(endless.encode(), filename="a.yaml", mime_type="")

        assert await read_in_time(reader) == "x"
    finally:
        await reader.close()


async def read_in_time(reader: DocumentProcesses) -> str:
    """A short document, be it at a later try: a busy machine may take its time to start the process."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await reader.extract(b"x", filename="a.txt", mime_type="")
            except DocumentFailure as failure:
                if "takes more than" not in str(failure):
                    raise


async def test_a_document_that_takes_too_much_memory_is_given_up_and_the_next_one_is_read() -> None:
    reader = DocumentProcesses(DocumentLimits(max_processes=1, max_memory=150 << 20))
    try:
        with pytest.raises(DocumentFailure, match=r"memory|too much"):
            await reader.extract(b"[" + b"[]," * 4_000_000 + b"1]", filename="a.json", mime_type="")

        assert await reader.extract(b"x", filename="a.txt", mime_type="") == "x"
    finally:
        await reader.close()


async def test_documents_of_one_app_that_wait_do_not_delay_those_of_another() -> None:
    reader = DocumentProcesses(DocumentLimits(max_processes=1))
    endless = "\n".join(f"k{number}: &a{number} {{x: y}}" for number in range(400_000))
    try:
        first = asyncio.create_task(reader.extract(endless.encode(), filename="a.yaml", mime_type="", app_id="busy"))
        await asyncio.sleep(0)
        busy = [
            asyncio.create_task(reader.extract(b"x", filename="a.txt", mime_type="", app_id="busy")) for _ in range(50)
        ]
        other = asyncio.create_task(reader.extract(b"y", filename="a.txt", mime_type="", app_id="other"))
        await asyncio.sleep(0)

        first.cancel()

        assert await other == "y"
        assert sum(task.done() for task in busy) <= 2
        assert await asyncio.gather(*busy) == ["x"] * 50
    finally:
        await reader.close()


@pytest.mark.parametrize("workers", [1, 4])
async def test_an_app_whose_documents_take_long_leaves_a_process_to_the_others(workers: int) -> None:
    reader = DocumentProcesses(DocumentLimits(max_seconds=3600).for_worker(workers))
    endless = "\n".join(f"k{number}: &a{number} {{x: y}}" for number in range(400_000)).encode()
    busy = [
        asyncio.create_task(reader.extract(endless, filename="a.yaml", mime_type="", app_id="busy")) for _ in range(4)
    ]
    try:
        await asyncio.sleep(0)

        assert await reader.extract(b"y", filename="a.txt", mime_type="", app_id="other") == "y"

        assert not any(task.done() for task in busy)
    finally:
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await reader.close()


async def test_a_run_that_is_stopped_stops_its_document() -> None:
    reader = DocumentProcesses(DocumentLimits(max_processes=1, max_seconds=3600))
    endless = "\n".join(f"k{number}: &a{number} {{x: y}}" for number in range(400_000))
    try:
        task = asyncio.create_task(reader.extract(endless.encode(), filename="a.yaml", mime_type=""))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async with asyncio.timeout(PATIENCE):
            assert await reader.extract(b"x", filename="a.txt", mime_type="") == "x"
    finally:
        await reader.close()


async def test_closing_ends_what_is_under_way_and_may_be_done_twice(reader: DocumentProcesses) -> None:
    endless = "\n".join(f"k{number}: &a{number} {{x: y}}" for number in range(400_000))
    task = asyncio.create_task(reader.extract(endless.encode(), filename="a.yaml", mime_type=""))
    await asyncio.sleep(0.2)

    await reader.close()
    await reader.close()

    with pytest.raises(DocumentFailure):
        await task
    with pytest.raises(DocumentFailure, match="stopping"):
        await reader.extract(b"x", filename="a.txt", mime_type="")


async def test_the_processes_know_nothing_of_the_environment(
    reader: DocumentProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIKKO_TEST_SECRET", "hidden")
    await reader.extract(b"x", filename="a.txt", mime_type="")

    assert environments_of_readers()
    assert all(b"JIKKO_TEST_SECRET" not in environment for environment in environments_of_readers())


def environments_of_readers() -> list[bytes]:
    below = [Path(f"/proc/{process_id}") for process_id in descendants(os.getpid())]
    return [(entry / "environ").read_bytes() for entry in below if _is_reader(entry)]


def _is_reader(entry: Path) -> bool:
    try:
        return b"jikko.documents.worker" in (entry / "cmdline").read_bytes()
    except OSError:
        return False


async def test_of_a_long_text_there_is_little_more_in_the_server_than_the_text_itself() -> None:
    reader = DocumentProcesses(DocumentLimits(max_processes=1, max_seconds=PATIENCE))
    content = ("日本語😀\n" * 400_000).encode()
    try:
        await reader.extract(b"first", filename="a.txt", mime_type="")
        tracemalloc.start()
        text = await reader.extract(content, filename="a.txt", mime_type="")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await reader.close()

    assert text == content.decode()
    # In memory a text with an emoji takes four bytes a character. The pieces, and the whole of them.
    assert most < 2 * sys.getsizeof(text) + 4_000_000


async def test_a_csv_of_nothing_but_commas_is_refused_with_the_setting() -> None:
    reader = DocumentProcesses(DocumentLimits(max_processes=1, max_seconds=PATIENCE, max_text=1 << 20))
    try:
        with pytest.raises(DocumentFailure, match=r"more than 1048576 bytes of text \(set by JIKKO_DOCUMENT_TEXT\)"):
            await reader.extract(b"a," * 500_000, filename="a.csv", mime_type="")
    finally:
        await reader.close()
