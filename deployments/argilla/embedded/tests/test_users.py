"""What one annotator sees must not depend on another's work. Upstream's own tests would not notice if it did."""

import pytest
from running import Annotator, Dataset, Server, publish
from scopes import RESPONSE_STATUS, ascending, between, descending, response, terms

COUNT = 12


Work = tuple[Dataset, Annotator, Annotator]


@pytest.fixture(scope="module")
def work(server: Server) -> Work:
    return _annotated(server)


def _annotated(server: Server) -> Work:
    """Twelve records, two needed answers each; ann and bob answered the same and different records."""
    dataset = publish(server, min_submitted=2)
    ids = dataset.log(*({"external_id": f"{n:02}", "fields": {"prompt": f"record {n}"}} for n in range(COUNT)))
    ann, bob = dataset.annotator(), dataset.annotator()
    ann.respond(ids[0], quality=5, verdict="keep", issues=["tone", "facts"])
    ann.respond(ids[1], quality=2)
    ann.respond(ids[2], "draft", quality=3)
    bob.respond(ids[0], quality=1, verdict="drop")
    bob.respond(ids[3], "discarded")
    return dataset, ann, bob


def _counts(dataset: Dataset, annotator: Annotator) -> dict[str, int]:
    return annotator.client.get(f"/me/datasets/{dataset.id}/metrics").json()["responses"]


def test_progress_counts_each_user_by_themselves(work: Work) -> None:
    dataset, ann, bob = work
    assert _counts(dataset, ann) == {"total": 12, "submitted": 2, "discarded": 0, "draft": 1, "pending": 9}
    assert _counts(dataset, bob) == {"total": 12, "submitted": 1, "discarded": 1, "draft": 0, "pending": 10}
    assert _counts(dataset, dataset.annotator())["pending"] == 12


def test_a_record_completes_when_enough_users_submitted(work: Work) -> None:
    dataset, ann, bob = work
    progress = dataset.progress()
    assert (progress["total"], progress["completed"], progress["pending"]) == (12, 1, 11)
    assert [user["username"] for user in progress["users"]] == [ann.username, bob.username]


@pytest.mark.parametrize(
    ("statuses", "of_ann", "of_bob", "of_anybody"),
    [
        (["submitted"], {"00", "01"}, {"00"}, {"00", "01"}),
        (["draft"], {"02"}, set(), {"02"}),
        (["discarded"], set(), {"03"}, {"03"}),
        (["draft", "discarded"], {"02"}, {"03"}, {"02", "03"}),
    ],
)
def test_a_status_filter_reads_the_askers_responses(
    work: Work, statuses: list[str], of_ann: set, of_bob: set, of_anybody: set
) -> None:
    dataset, ann, bob = work
    condition = terms(RESPONSE_STATUS, *statuses)
    found = [dataset.search(None, condition, by=user) for user in (ann, bob, None)]
    assert [set(one.names) for one in found] == [of_ann, of_bob, of_anybody]
    assert [one.total for one in found] == [len(of_ann), len(of_bob), len(of_anybody)]


def test_pending_means_no_response_by_the_asker(work: Work) -> None:
    dataset, ann, bob = work
    everything = {f"{n:02}" for n in range(COUNT)}
    pending, unfinished = terms(RESPONSE_STATUS, "pending"), terms(RESPONSE_STATUS, "pending", "draft")
    assert set(dataset.search(None, pending, by=ann).names) == everything - {"00", "01", "02"}
    assert set(dataset.search(None, pending, by=bob).names) == everything - {"00", "03"}
    assert set(dataset.search(None, pending).names) == everything - {"00", "01", "02", "03"}
    assert set(dataset.search(None, unfinished, by=ann).names) == everything - {"00", "01"}


def test_a_value_filter_reads_the_askers_responses(work: Work) -> None:
    dataset, ann, bob = work
    low = between(response("quality"), le=2)
    assert dataset.search(None, low, by=ann).names == ["01"]
    assert dataset.search(None, low, by=bob).names == ["00"]
    assert dataset.search(None, low).names == ["00", "01"]
    assert dataset.search(None, terms(response("quality"), 5), by=bob).names == []
    assert dataset.search(None, terms(response("issues"), "facts"), by=ann).names == ["00"]
    assert dataset.search(None, terms(response("verdict"), "drop"), by=ann).names == []


def test_the_found_records_show_the_askers_responses_only(work: Work) -> None:
    dataset, ann, _ = work
    body = {"filters": {"and": [terms(RESPONSE_STATUS, "submitted")]}}
    found = ann.client.post(f"/me/datasets/{dataset.id}/records/search", json=body, params={"include": "responses"})
    shown = [one for item in found.json()["items"] for one in item["record"]["responses"]]
    assert {one["user_id"] for one in shown} == {ann.id}


def test_sorting_by_a_response_uses_the_askers_or_the_mean(work: Work) -> None:
    dataset, ann, bob = work
    assert dataset.search(sort=[descending(response("quality"))], by=ann).names[:3] == ["00", "02", "01"]
    assert dataset.search(sort=[descending(response("quality"))], by=bob).names[0] == "00"
    assert dataset.search(sort=[ascending(response("quality"))]).names[:3] == ["01", "00", "02"]
    assert dataset.search(sort=[ascending(response("verdict"))], by=bob).names[0] == "00"


def test_every_user_gets_a_stable_order_of_their_own(work: Work) -> None:
    dataset, ann, bob = work
    order = dataset.search(by=ann).names
    assert sorted(order) == [f"{n:02}" for n in range(COUNT)]
    assert order != dataset.search(by=bob).names
    assert order != dataset.search().names
    paged = [dataset.search(by=ann, offset=offset, limit=5).names for offset in (0, 5, 10)]
    assert [name for page in paged for name in page] == order
    pending = dataset.search(None, terms(RESPONSE_STATUS, "pending"), by=ann).names
    assert pending == [name for name in order if name not in {"00", "01", "02"}]


def test_a_changed_mind_moves_the_response(server: Server) -> None:
    dataset, ann, bob = _annotated(server)
    mine = terms(RESPONSE_STATUS, "submitted")
    found = dataset.client.post(
        f"/datasets/{dataset.id}/records/search", json={"filters": {"and": [mine]}}, params={"include": "responses"}
    ).json()
    answers = {one["user_id"]: one["id"] for one in found["items"][0]["record"]["responses"]}
    bob.client.put(f"/responses/{answers[bob.id]}", json={"status": "discarded"})
    ann.client.delete(f"/responses/{answers[ann.id]}")
    assert _counts(dataset, bob)["submitted"] == 0
    assert dataset.search(None, mine, by=ann).names == ["01"]
    assert dataset.progress()["completed"] == 0
