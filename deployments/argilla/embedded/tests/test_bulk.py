"""Records logged in bulks, by the steps that replace upstream's."""

from running import Dataset, Server, publish
from webhooks import inbox


def _question_id(dataset: Dataset, name: str) -> str:
    questions = dataset.client.get(f"/datasets/{dataset.id}/questions").json()["items"]
    return next(question["id"] for question in questions if question["name"] == name)


def _log_again(dataset: Dataset, *records: dict) -> list[dict]:
    answer = dataset.client.put(f"/datasets/{dataset.id}/records/bulk", json={"items": list(records)})
    return answer.json()["items"]


def test_records_logged_again_replace_what_was_there(server: Server) -> None:
    dataset = publish(server, vectors={"meaning": 2})
    question, user = _question_id(dataset, "quality"), dataset.annotator().id

    def version(number: int) -> dict:
        answer = {"user_id": user, "status": "submitted", "values": {"quality": {"value": number}}}
        return {
            "external_id": "same",
            "fields": {"prompt": f"text {number}"},
            "suggestions": [{"question_id": question, "value": number, "agent": f"model {number}"}],
            "responses": [answer],
            "vectors": {"meaning": [number, 1]},
        }

    (first,) = _log_again(dataset, version(1))
    (again,) = _log_again(dataset, version(2))
    assert (again["id"], again["fields"]) == (first["id"], {"prompt": "text 2"})
    assert again["vectors"] == {"meaning": [2, 1]}
    for kind in ("suggestions", "responses"):
        assert [one["id"] for one in again[kind]] == [one["id"] for one in first[kind]]
    assert (again["suggestions"][0]["value"], again["suggestions"][0]["agent"]) == (2, "model 2")
    assert again["responses"][0]["values"] == {"quality": {"value": 2}}
    assert dataset.search("text").total == 1


def test_a_bulk_with_answers_completes_its_records(server: Server) -> None:
    dataset = publish(server, min_submitted=2)
    users = [dataset.annotator().id for _ in range(2)]

    def answered(name: str, count: int) -> dict:
        answers = [
            {"user_id": user, "status": "submitted", "values": {"quality": {"value": 3}}} for user in users[:count]
        ]
        return {"external_id": name, "fields": {"prompt": name}, "responses": answers}

    logged = _log_again(dataset, answered("none", 0), answered("one", 1), answered("both", 2))
    assert [record["status"] for record in logged] == ["pending", "pending", "completed"]
    (record,) = _log_again(dataset, answered("one", 2))
    assert record["status"] == "completed"


def test_a_webhook_hears_of_every_record_of_a_bulk_and_only_of_what_it_asked_for(server: Server) -> None:
    dataset = publish(server)
    client = server.client()
    with inbox() as created, inbox() as answers:
        hooks = [
            client.post("/webhooks", json={"url": created.url, "events": ["record.created"]}).json(),
            client.post("/webhooks", json={"url": answers.url, "events": ["response.created"]}).json(),
        ]
        names = [str(number) for number in range(3)]
        ids = dataset.log(*({"external_id": name, "fields": {"prompt": "x"}} for name in names))
        dataset.annotator().respond(ids[0], quality=3)
        created.wait_for(3)
        answers.wait_for(1)
        for hook in hooks:
            client.delete(f"/webhooks/{hook['id']}")
    assert {event["data"]["external_id"] for event in created.received} == {*names}
    assert [event["type"] for event in answers.received] == ["response.created"]
    assert created.received[0]["data"]["dataset"]["name"].startswith("dataset")
