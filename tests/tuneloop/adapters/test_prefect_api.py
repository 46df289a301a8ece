import json

import httpx
import pytest

from tuneloop.adapters.prefect_api import PrefectApi
from tuneloop.errors import ServiceError

RUN = {
    "id": "r1",
    "name": "calm-owl",
    "state_name": "Running",
    "state_type": "RUNNING",
    "state": {"message": None},
    "deployment_id": "d1",
    "parameters": {"recipe": "a.yaml"},
    "tags": ["x"],
    "created": "2026-01-01T00:00:00Z",
    "start_time": None,
    "total_run_time": 1.5,
}


class FakePrefect:
    """Answers like the server: wants a login and a CSRF token, knows what it is told, remembers what it was asked."""

    def __init__(self, answers=None, *, csrf=True):
        self.answers = {} if answers is None else answers
        self.csrf = csrf
        self.token = "t1"
        self.failures = []
        self.asked = []

    def __call__(self, request):
        path = request.url.path.removeprefix("/api")
        if request.headers.get("authorization") != "Basic dXNlcjpwYXNz":  # user:pass
            return httpx.Response(401)
        if path == "/csrf-token":
            return httpx.Response(200, json={"token": self.token}) if self.csrf else httpx.Response(422)
        if self.failures:
            return self._fail(request)
        if self.csrf and request.method != "GET" and request.headers.get("Prefect-Csrf-Token") != self.token:
            return httpx.Response(403)
        body = json.loads(request.content or b"null")
        self.asked.append((request.method, path, body))
        answer = self.answers.get((request.method, path))
        answer = answer(body) if callable(answer) else answer
        return httpx.Response(404) if answer is None else httpx.Response(200, json=answer)

    def _fail(self, request):
        failure = self.failures.pop(0)
        if isinstance(failure, int):
            return httpx.Response(failure)
        raise failure("failed", request=request)


def api(server, auth="user:pass"):
    return PrefectApi("http://prefect/api", auth, transport=httpx.MockTransport(server), pause_seconds=0.0)


def test_a_deployment_has_an_id_or_is_not_there():
    server = FakePrefect({("GET", "/deployments/name/f/d"): {"id": "d1"}})
    assert api(server).deployment_id("f/d") == "d1"
    assert api(server).deployment_id("f/other") is None


def test_a_flow_run_is_created_with_parameters_tags_and_an_idempotency_key():
    server = FakePrefect(
        {("GET", "/deployments/name/f/d"): {"id": "d1"}, ("POST", "/deployments/d1/create_flow_run"): RUN}
    )
    run = api(server).create_flow_run("f/d", {"recipe": "a.yaml"}, idempotency_key="k", tags=["x"])
    assert (run.id, run.state, run.is_terminal) == ("r1", "Running", False)
    assert server.asked[-1][2] == {
        "parameters": {"recipe": "a.yaml"},
        "tags": ["x"],
        "state": {"type": "SCHEDULED"},
        "idempotency_key": "k",
    }


def test_a_run_of_what_is_not_deployed_is_an_error_that_says_what_to_do():
    with pytest.raises(ServiceError, match="tuneloop deploy"):
        api(FakePrefect()).create_flow_run("f/d", {})


def test_a_server_without_csrf_protection_is_fine():
    server = FakePrefect({("POST", "/flow_runs/filter"): [RUN]}, csrf=False)
    assert [run.id for run in api(server).flow_runs()] == ["r1"]


def test_an_expired_token_is_renewed():
    server = FakePrefect({("POST", "/flow_runs/filter"): [RUN]})
    client = api(server)
    client.flow_runs()
    server.token = "t2"
    assert len(client.flow_runs()) == 1


@pytest.mark.parametrize("failure", [503, 429, httpx.ReadTimeout])
def test_a_busy_server_is_asked_again(failure):
    server = FakePrefect({("GET", "/flow_runs/r1"): RUN})
    server.failures = [failure, failure]
    assert api(server).flow_run("r1").id == "r1"


def test_a_server_that_stays_busy_is_an_error():
    server = FakePrefect()
    server.failures = [503] * 5
    with pytest.raises(ServiceError, match="503"):
        api(server).flow_run("r1")


def test_a_server_that_is_not_there_is_an_error_at_once():
    server = FakePrefect()
    server.failures = [httpx.ConnectError]
    with pytest.raises(ServiceError, match="does not answer"):
        api(server).flow_run("r1")


def test_a_wrong_login_is_named_without_showing_it():
    with pytest.raises(ServiceError, match="login") as raised:
        api(FakePrefect(), auth="user:other").flow_run("r1")
    assert "other" not in str(raised.value)


def test_a_pool_is_created_only_if_it_is_missing():
    server = FakePrefect({("POST", "/work_pools/"): {}})
    api(server).ensure_work_pool("training", concurrency_limit=1)
    assert server.asked[-1] == ("POST", "/work_pools/", {"name": "training", "type": "process", "concurrency_limit": 1})
    server = FakePrefect({("GET", "/work_pools/training"): {"concurrency_limit": 7}})
    api(server).ensure_work_pool("training", concurrency_limit=1)
    assert [method for method, _, _ in server.asked] == ["GET"]


def test_only_a_recent_sign_of_life_of_that_worker_counts():
    workers = [{"name": "w", "last_heartbeat_time": "2026-01-01T00:00:10Z"}, {"name": "v", "last_heartbeat_time": None}]
    client = api(FakePrefect({("POST", "/work_pools/cpu/workers/filter"): workers}))
    moment = 1_767_225_610.0  # 2026-01-01T00:00:10Z
    assert client.has_worker_reported("cpu", "w", since=moment)
    assert not client.has_worker_reported("cpu", "w", since=moment + 1)
    assert not client.has_worker_reported("cpu", "v", since=0)
    assert not client.has_worker_reported("no-such-pool", "w", since=0)


def test_the_runs_of_a_pool_that_hold_a_slot_are_asked_for_by_their_state():
    run = {**RUN, "state": {"timestamp": "2026-01-01T00:00:10Z"}}
    server = FakePrefect({("POST", "/flow_runs/filter"): [run]})
    [found] = api(server).unfinished_runs("training")
    assert (found.id, found.state_type, found.state_since) == ("r1", "RUNNING", "2026-01-01T00:00:10Z")
    [(_, _, body)] = server.asked
    assert body["work_pools"] == {"name": {"any_": ["training"]}}
    assert body["flow_runs"] == {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}


def test_a_dead_run_is_marked_as_crashed_with_those_it_called_and_one_that_has_ended_is_left():
    runs = {"r1": RUN, "child": {**RUN, "id": "child"}, "done": {**RUN, "id": "done", "state_type": "COMPLETED"}}

    def called(body):
        parents = body["flow_runs"]["parent_flow_run_id"]["any_"]
        return [runs["child"], runs["done"]] if parents == ["r1"] else []

    answers = {("POST", "/flow_runs/filter"): called}
    for key, run in runs.items():
        answers["GET", f"/flow_runs/{key}"] = run
        answers["POST", f"/flow_runs/{key}/set_state"] = {}
    server = FakePrefect(answers)
    api(server).end_run("r1")
    ended = {path: body["state"]["type"] for _, path, body in server.asked if path.endswith("set_state")}
    assert ended == {"/flow_runs/r1/set_state": "CRASHED", "/flow_runs/child/set_state": "CRASHED"}


def test_a_dead_run_that_was_being_cancelled_is_cancelled():
    run = {**RUN, "state_type": "CANCELLING"}
    answers = {("POST", "/flow_runs/filter"): [], ("GET", "/flow_runs/r1"): run}
    server = FakePrefect({**answers, ("POST", "/flow_runs/r1/set_state"): {}})
    api(server).end_run("r1")
    assert server.asked[-1][2]["state"]["type"] == "CANCELLED"


def test_only_crashed_runs_of_our_own_deployments_are_scheduled_again():
    server = FakePrefect({("POST", "/flow_runs/filter"): [RUN], ("POST", "/flow_runs/r1/set_state"): {}})
    [found] = api(server).crashed_runs("training")
    assert server.asked[-1][2]["flow_runs"]["tags"] == {"all_": ["tuneloop"]}
    api(server).reschedule(found.id)
    assert server.asked[-1][2]["state"]["type"] == "SCHEDULED"
    assert "force" not in server.asked[-1][2], "the server may refuse: somebody else may have been faster"


def test_long_logs_are_read_page_by_page():
    lines = [{"id": str(i), "timestamp": "2026-01-01T00:00:00Z", "level": 20, "message": str(i)} for i in range(450)]
    server = FakePrefect(
        {("POST", "/logs/filter"): lambda body: lines[body["offset"] : body["offset"] + body["limit"]]}
    )
    assert [line.message for line in api(server).logs(["r1"])] == [str(i) for i in range(450)]


def test_waiting_ends_with_the_run_or_with_the_time():
    states = iter(["RUNNING", "COMPLETED"])
    server = FakePrefect({("GET", "/flow_runs/r1"): lambda _: {**RUN, "state_type": next(states)}})
    assert api(server).wait("r1", timeout_seconds=5, poll_seconds=0).is_completed
    with pytest.raises(ServiceError, match="still Running"):
        api(FakePrefect({("GET", "/flow_runs/r1"): RUN})).wait("r1", timeout_seconds=0, poll_seconds=0)


def test_events_are_found_by_name():
    event = {
        "id": "e1",
        "event": "tuneloop.drift",
        "occurred": "2026-01-01T00:00:00Z",
        "payload": {"n": 1},
        "resource": {"prefect.resource.id": "x"},
        "related": [],
    }
    server = FakePrefect({("POST", "/events/filter"): {"events": [event]}})
    [found] = api(server).events(names=["tuneloop.drift"])
    assert (found.name, found.payload) == ("tuneloop.drift", {"n": 1})
    assert server.asked[-1][2]["filter"]["event"] == {"name": ["tuneloop.drift"]}


def test_an_event_says_what_happened_to_what_and_when():
    server = FakePrefect({("POST", "/events"): {}})
    api(server).emit_event("tuneloop.x", resource={"prefect.resource.id": "tuneloop.recipe.a"}, payload={"answers": 2})
    ((_, _, (event,)),) = server.asked
    assert (event["event"], event["payload"]) == ("tuneloop.x", {"answers": 2})
    assert event["id"]
    assert event["occurred"].endswith("+00:00")


def test_a_run_that_takes_no_answer_is_an_error_with_the_servers_reason():
    reply = {"status": "REJECT", "details": {"reason": "'decision' is a required property"}}
    server = FakePrefect({("POST", "/flow_runs/r1/resume"): reply})
    with pytest.raises(ServiceError, match="'decision' is a required property"):
        api(server).resume_flow_run("r1", {"by": "Ada"})
    assert server.asked[0][2] == {"run_input": {"by": "Ada"}}
