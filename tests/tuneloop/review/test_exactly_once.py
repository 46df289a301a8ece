"""Whatever is repeated, killed, edited or taken back, and in whatever order it arrives: the same files."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuneloop.review.answers import said
from tuneloop.ports import ReviewAnswer
from tuneloop.review.adjudication import case_id
from tuneloop.review.collecting import collect

KINDS = ("answers", "preference", "data_sample", "red_team", "drifted_slice")
WORDS = ("We are tracing it.", "We are tracing it now.", "Ask the carrier.", None)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


@st.composite
def histories(draw: st.DrawFn) -> list[ReviewAnswer]:
    """All versions of all responses: several people, records and kinds; edits, drafts, discards."""
    versions = []
    for number in range(draw(st.integers(1, 8))):
        item = draw(st.integers(0, 2))
        kind = KINDS[draw(st.integers(0, len(KINDS) - 1))]
        first = said(
            response_id=f"r{number}",
            item_id=f"i{item}",
            prompt=f"prompt {item}",
            review_set=f"desk-{kind}-1",
            kind=kind,
            reviewer=f"reviewer-{number % 3}",
            alternative="Perhaps." if kind == "preference" else None,
        )
        labels = {"fit": draw(st.sampled_from(["keep", "leave_out"]))} if kind == "data_sample" else {}
        versions += [
            replace(
                first,
                submitted_at=f"2026-11-01T1{edit}:00:{number:02d}+00:00",
                status=draw(st.sampled_from(["submitted", "submitted", "draft", "discarded"])),
                rating=draw(st.sampled_from([None, 1, 3, 5])),
                correction=draw(st.sampled_from(WORDS)),
                issues=draw(st.sampled_from([(), ("style",), ("flag:harmful",)])),
                preferred=draw(st.sampled_from([None, "answer", "alternative", "tie"])),
                labels=labels,
            )
            for edit in range(draw(st.integers(1, 3)))
        ]
        if draw(st.booleans()):
            versions.append(decision_on(first, number, draw(st.sampled_from(["answer", "alternative", None]))))
    return versions


def decision_on(first: ReviewAnswer, number: int, preferred: Any) -> ReviewAnswer:
    return said(
        response_id=f"d{number}",
        item_id=case_id((first.review_set, first.item_id)),
        prompt=first.prompt,
        review_set="desk-adjudication-1",
        kind="adjudication",
        reviewer="reviewer-9",
        submitted_at=f"2026-11-02T10:00:{number:02d}+00:00",
        alternative="Ask the carrier.",
        correction=None,
        preferred=preferred,
    )


def state(versions: list[ReviewAnswer]) -> list[ReviewAnswer]:
    """What a backend shows once all of it has happened: of each response the last version."""
    last = {v.response_id: v for v in sorted(versions, key=lambda v: v.submitted_at)}
    return list(last.values())


@settings(max_examples=60, deadline=None)
@given(data=st.data(), versions=histories())
def test_any_interleaving_of_collections_gives_the_same_files(tmp_path_factory, data, versions):
    """Each collection sees some desk of some moment, stale ones included; the last sees all."""
    at_once, in_parts = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    collect(state(versions), folder=at_once)
    for _ in range(data.draw(st.integers(0, 4))):
        collect(data.draw(st.lists(st.sampled_from(versions), max_size=6)), folder=in_parts)
    collect(data.draw(st.permutations(state(versions))), folder=in_parts)
    collect([], folder=in_parts)
    assert files(in_parts) == files(at_once)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), versions=histories())
def test_a_collection_killed_at_any_point_is_healed_by_the_next(tmp_path_factory, data, versions):
    whole, killed = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    collect(state(versions), folder=whole)
    for writes in data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=3)):
        if (pid := os.fork()) == 0:
            _die_at(writes, versions, killed)
        os.waitpid(pid, 0)
    report = collect(state(versions), folder=killed)
    assert files(killed) == files(whole)
    assert report.new_responses <= report.responses


def _die_at(writes: int, versions: list[ReviewAnswer], folder: Path) -> None:
    """In a child: end without any clean-up at the replacing of a file, after so many were replaced."""
    done = 0

    def watch(event, _arguments):
        nonlocal done
        if event == "os.rename":
            if done == writes:
                os._exit(1)
            done += 1

    sys.addaudithook(watch)
    collect(versions, folder=folder)
    os._exit(0)


def test_collectors_at_the_same_time_lose_and_double_nothing(tmp_path):
    answers = [said(response_id=f"r{n}", item_id=f"i{n}", correction=f"Answer {n}.") for n in range(40)]
    context = get_context("fork")
    parts = [answers[start::4] + answers[:3] for start in range(4)]
    workers = [context.Process(target=collect, args=(part,), kwargs={"folder": tmp_path / "both"}) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    collect(answers, folder=tmp_path / "one")
    assert files(tmp_path / "both") == files(tmp_path / "one")
