"""Background jobs: they run in the server, fail, wait and run again."""

from running import Server, publish
from webhooks import inbox, wait_until


def test_a_new_number_of_needed_answers_is_applied_to_old_records(server: Server) -> None:
    dataset = publish(server, min_submitted=2)
    (record,) = dataset.log({"fields": {"prompt": "x"}})
    dataset.annotator().respond(record, quality=3)
    assert dataset.progress()["completed"] == 0
    dataset.client.patch(f"/datasets/{dataset.id}", json={"distribution": {"strategy": "overlap", "min_submitted": 1}})
    wait_until(lambda: dataset.progress()["completed"] == 1)


def test_a_refused_webhook_is_delivered_again(server: Server) -> None:
    with inbox(refused=1) as listener:
        client = server.client()
        events = ["record.created", "response.created"]
        webhook = client.post("/webhooks", json={"url": listener.url, "events": events}).json()
        dataset = publish(server)
        (record,) = dataset.log({"fields": {"prompt": "x"}})
        dataset.annotator().respond(record, quality=4)
        listener.wait_for(3)
        client.delete(f"/webhooks/{webhook['id']}")
    refused, response, again = listener.received
    assert [event["type"] for event in listener.received] == ["record.created", "response.created", "record.created"]
    assert refused["data"]["id"] == again["data"]["id"] == record
    assert response["data"]["values"] == {"quality": {"value": 4}}
