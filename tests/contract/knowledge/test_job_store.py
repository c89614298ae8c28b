"""Contract of ``JobStore``."""

import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.ports.stores.knowledge_records import Document, Job
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores

from .records import (
    WORKER,
    a_child,
    a_node,
    dataset_in,
    published,
    put,
    segments_for,
    segments_in,
    shown,
    visible,
)

pytestmark = pytest.mark.anyio


async def claimed(stores: KnowledgeStores, worker: str = WORKER, now: float = 1.0, lease: float = 60.0) -> Job:
    job = await stores.jobs.claim(worker, now, lease)
    assert job is not None
    return job


async def cut(stores: KnowledgeStores, job: Job, *texts: str) -> Document:
    document = await stores.documents.document(job.dataset_id, job.document_id)
    assert document is not None
    segments = segments_for(document, job.segments_version, texts)
    assert await stores.jobs.write_segments(job, segments, [], lambda each: replace(each, status="indexing"))
    return document


async def test_what_is_due_longest_is_taken_once(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    late = await put(stores, dataset, "late", due_at=5.0)
    early = await put(stores, dataset, "early", due_at=2.0)

    assert await stores.jobs.next_due() == 2.0
    assert await stores.jobs.claim(WORKER, 1.0, 60.0) is None
    assert [(await claimed(stores, now=9.0)).document_id for _ in range(2)] == [early.id, late.id]
    assert await stores.jobs.claim(WORKER, 9.0, 60.0) is None
    assert await stores.jobs.next_due() == 69.0


async def test_datasets_take_turns(stores: KnowledgeStores) -> None:
    many, few = await dataset_in(stores, "many"), await dataset_in(stores, "few")
    for number in range(3):
        await put(stores, many, f"{number}.txt", due_at=float(number))
    await put(stores, few, due_at=9.0)

    taken = [(await claimed(stores, now=10.0)).dataset_id for _ in range(3)]

    assert set(taken[:2]) == {many.id, few.id}


async def test_a_job_whose_worker_is_silent_is_taken_over(stores: KnowledgeStores) -> None:
    await put(stores, await dataset_in(stores))
    silent = await claimed(stores, "server/silent", lease=10.0)
    assert await stores.jobs.renew(silent, 30.0)
    assert await stores.jobs.claim("server/other", 20.0, 10.0) is None

    other = await claimed(stores, "server/other", now=31.0)

    assert other.document_id == silent.document_id
    assert not await stores.jobs.renew(silent, 99.0)
    assert not await stores.jobs.note(silent, lambda each: replace(each, error="late"))
    assert await stores.jobs.note(other, lambda each: replace(each, error="in time"))


async def test_jobs_of_workers_that_are_gone_are_free_at_once(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    for name in ("a", "b", "c"):
        await put(stores, dataset, name)
    gone, own, another = [await claimed(stores, worker) for worker in ("server/gone", "server/own", "command/x")]

    await stores.jobs.release("server/", "server/own")

    assert (await claimed(stores, "server/own")).document_id == gone.document_id
    assert await stores.jobs.claim("server/own", 1.0, 60.0) is None
    assert await stores.jobs.renew(own, 99.0)
    assert await stores.jobs.renew(another, 99.0)


async def test_what_was_embedded_is_not_embedded_again(stores: KnowledgeStores) -> None:
    await put(stores, await dataset_in(stores))
    job = await claimed(stores)
    document = await cut(stores, job, "one", "two", "three")
    first, second = tasks = await stores.jobs.to_embed(job, 2)
    assert [task.segment.content for task in tasks] == ["one", "two"]
    nodes = [a_node(first.segment, (1, 0)), a_node(second.segment)]
    assert await stores.jobs.write_nodes(job, nodes, [4, 5], [None, None])

    again = await claimed(stores, "another", now=100.0)

    assert [task.segment.content for task in await stores.jobs.to_embed(again, 9)] == ["three"]
    known = await stores.jobs.known_vectors([node.digest for node in nodes])
    assert known == {nodes[0].digest: nodes[0].vector}
    assert not await stores.jobs.write_nodes(job, [], [], [])
    assert await stores.jobs.publish(again, lambda each: published(each, again))
    assert [each.tokens for each in await segments_in(stores, await reread(stores, document))] == [4, 5, 0]


async def reread(stores: KnowledgeStores, document: Document) -> Document:
    found = await stores.documents.document(document.dataset_id, document.id)
    assert found is not None
    return found


async def test_segments_written_again_take_the_place_of_the_first_try(stores: KnowledgeStores) -> None:
    await put(stores, await dataset_in(stores))
    job = await claimed(stores)
    await cut(stores, job, "half")
    document = await cut(stores, job, "one", "two")

    assert await stores.jobs.publish(job, lambda each: published(each, job))

    assert [each.content for each in await segments_in(stores, await reread(stores, document))] == ["one", "two"]


async def test_a_version_is_seen_as_a_whole_and_the_old_one_until_then(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    old = await shown(stores, dataset, ["owls old"], keywords=[["owls"]])
    await put(stores, dataset)
    job = await claimed(stores)
    await cut(stores, job, "owls new", "bees new")
    [first, second] = [task.segment for task in await stores.jobs.to_embed(job, 9)]
    assert await stores.jobs.write_nodes(job, [a_node(first), a_node(second)], [0, 0], [["owls"], ["bees"]])

    async def found(word: str) -> list[str]:
        at = visible(*await stores.segments.visible(dataset.id))
        hits = await stores.segments.search_words(dataset.id, [word], at, 9)
        by_id = await stores.segments.segments([hit.segment_id for hit in hits])
        return [by_id[hit.segment_id].content for hit in hits]

    assert (await found("owls"), await found("bees")) == (["owls old"], [])
    assert await stores.jobs.publish(job, lambda each: published(each, job))
    assert (await found("owls"), await found("bees")) == (["owls new"], ["bees new"])
    assert await stores.jobs.job(old.id) is None
    while await stores.jobs.sweep(1):
        pass
    assert (await found("owls"), await found("new")) == (["owls new"], ["owls new", "bees new"])
    assert [each.content for each in await segments_in(stores, await reread(stores, old))] == ["owls new", "bees new"]


async def test_a_newer_job_and_a_deletion_win(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await put(stores, dataset)
    stale = await claimed(stores)
    await put(stores, dataset)
    assert not await stores.jobs.write_segments(stale, [], [], lambda each: each)
    newer = await claimed(stores)

    await stores.documents.delete_document(dataset.id, document.id)

    assert not await stores.jobs.publish(newer, lambda each: published(each, newer))
    assert not await stores.jobs.fail(newer, lambda each: each)


async def test_a_job_waits_and_is_given_up(stores: KnowledgeStores) -> None:
    document = await put(stores, await dataset_in(stores))
    job = await claimed(stores)

    assert await stores.jobs.postpone(job, 50.0, lambda each: replace(each, error="busy"))
    assert await stores.jobs.claim(WORKER, 49.0, 60.0) is None
    again = await claimed(stores, now=50.0)
    assert (again.attempts, (await reread(stores, document)).error) == (1, "busy")
    assert await stores.jobs.fail(again, lambda each: replace(each, status="error"))
    assert (await reread(stores, document)).status == "error"
    assert await stores.jobs.next_due() is None


async def test_nodes_are_made_anew_for_the_segments_that_are_there(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["owls"])

    assert await stores.jobs.reindex(document.id, 1.0)
    assert not await stores.jobs.reindex(new_id(), 1.0)
    job = await claimed(stores)

    assert (job.stage, job.version, job.segments_version) == ("embed", 2, 1)
    assert [task.segment.content for task in await stores.jobs.to_embed(job, 9)] == ["owls"]


async def test_the_work_on_a_document_that_is_gone_changes_nothing(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    gone, kept = await put(stores, dataset, "gone"), await put(stores, dataset, "kept")
    jobs = {job.document_id: job for job in [await claimed(stores) for _ in range(2)]}
    await stores.documents.delete_document(dataset.id, gone.id)
    job = jobs[gone.id]

    def never(document: Document) -> Document:
        raise AssertionError(document)

    assert not await stores.jobs.note(job, never)
    assert not await stores.jobs.write_segments(job, segments_for(gone, 1, ["x"]), [], never)
    assert not await stores.jobs.postpone(job, 50.0, never)
    assert not await stores.jobs.fail(job, never)
    assert not await stores.jobs.publish(job, never)
    assert await stores.documents.document(dataset.id, gone.id) is None
    assert await stores.jobs.job(kept.id) == jobs[kept.id]
    while await stores.jobs.sweep(100):
        pass
    assert await reread(stores, kept) == kept


async def test_children_are_embedded_one_by_one_and_those_that_are_done_are_left_out(stores: KnowledgeStores) -> None:
    await put(stores, await dataset_in(stores))
    job = await claimed(stores)
    document = await stores.documents.document(job.dataset_id, job.document_id)
    assert document is not None
    first, second = segments = segments_for(document, job.segments_version, ["one", "two"])
    children = [a_child(segment, at, f"{segment.content}{at}") for segment in segments for at in (1, 2, 3)]
    assert await stores.jobs.write_segments(job, segments, children, lambda each: each)

    async def left(limit: int) -> list[str]:
        return [task.child.content for task in await stores.jobs.to_embed(job, limit) if task.child is not None]

    assert await left(2) == ["one1", "one2"]
    nodes = [a_node(first, (1, 0), child.id) for child in children[:2]]
    assert await stores.jobs.write_nodes(job, nodes, [7, 7], [None, None])
    assert await left(9) == ["one3", "two1", "two2", "two3"]
    assert await left(2) == ["one3", "two1"]
    nodes = [a_node(first, (1, 0), children[2].id), a_node(second, (1, 0), children[3].id)]
    assert await stores.jobs.write_nodes(job, nodes, [7, 7], [None, None])
    assert await left(9) == ["two2", "two3"]


async def test_a_lease_ends_at_its_second_and_what_is_due_then_is_taken(stores: KnowledgeStores) -> None:
    await put(stores, await dataset_in(stores), due_at=5.0)

    assert await stores.jobs.claim(WORKER, 4.9, 10.0) is None
    job = await claimed(stores, "one", now=5.0, lease=10.0)
    assert (job.worker, job.lease_until) == ("one", 15.0)
    assert await stores.jobs.claim("two", 14.9, 10.0) is None
    assert (await claimed(stores, "two", now=15.0, lease=10.0)).lease_until == 25.0


async def test_what_was_replaced_is_swept_away_in_small_pieces_and_what_is_shown_stays(
    stores: KnowledgeStores,
) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["a", "b", "c"])
    old = await segments_in(stores, document)
    other = await shown(stores, dataset, ["other"], "b.txt")
    document = await shown(stores, dataset, ["new"])

    swept = []
    while (count := await stores.jobs.sweep(2)) > 0:
        swept.append(count)

    assert all(1 <= count <= 2 for count in swept)
    assert len(swept) >= 3  # three segments with a node each
    assert await stores.segments.segments([each.id for each in old]) == {}
    assert [each.content for each in await segments_in(stores, document)] == ["new"]
    assert [each.content for each in await segments_in(stores, other)] == ["other"]


async def swept(stores: KnowledgeStores) -> int:
    count = 0
    while await stores.jobs.sweep(1):
        count += 1
    return count


async def test_passes_that_were_broken_off_leave_no_more_nodes_than_one(stores: KnowledgeStores) -> None:
    document = await shown(stores, await dataset_in(stores), ["梟 🦉", "bees", "cats"])
    once = await swept(stores)
    for _ in range(5):
        assert await stores.jobs.reindex(document.id, 1.0)
        job = await claimed(stores)
        nodes = [a_node(task.segment, (1, 0)) for task in await stores.jobs.to_embed(job, 9)]
        assert await stores.jobs.write_nodes(job, nodes, [1] * 3, [None] * 3)
    known = await stores.jobs.known_vectors([node.digest for node in nodes])
    assert known == {node.digest: node.vector for node in nodes}
    assert await stores.jobs.publish(job, lambda each: published(each, job))

    assert await swept(stores) == once + 3  # those of the first version


async def test_uploads_one_after_the_other_leave_the_nodes_of_the_last_two_at_most(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    for number in range(5):
        await put(stores, dataset)
        job = await claimed(stores)
        await cut(stores, job, f"梟 {number}", "bees", f"cats {number}")
        tasks = await stores.jobs.to_embed(job, 9)
        assert await stores.jobs.write_nodes(job, [a_node(each.segment) for each in tasks], [1] * 3, [None] * 3)
    assert await stores.jobs.publish(job, lambda each: published(each, job))

    assert await swept(stores) <= 3 + 1
