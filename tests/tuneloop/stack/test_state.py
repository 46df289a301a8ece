import json
import stat
from dataclasses import replace

import pytest

from tuneloop.errors import ServiceError
from tuneloop.files import atomic_write
from tuneloop.stack.state import load_state, new_state, save_state


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_saved_is_loaded_again(tmp_path):
    state = new_state().with_ports({"prefect": 20001})
    save_state(tmp_path / "stack.json", state)
    assert load_state(tmp_path / "stack.json") == state


def test_only_the_user_can_read_the_file_and_nothing_else_is_left(tmp_path):
    save_state(tmp_path / "stack.json", new_state())
    assert mode(tmp_path / "stack.json") == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["stack.json"]


def test_a_file_that_was_opened_to_others_is_closed_again(tmp_path):
    path = tmp_path / "stack.json"
    save_state(path, new_state())
    path.chmod(0o644)
    load_state(path)
    assert mode(path) == 0o600


def test_no_file_is_no_state(tmp_path):
    assert load_state(tmp_path / "stack.json") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"prefect_auth": "a:b"}', '{"surprise": 1}'])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "stack.json"
    path.write_text(text)
    with pytest.raises(ServiceError, match=r"stack\.json is damaged"):
        load_state(path)


def test_a_file_from_before_mlflow_had_a_login_is_read_and_completed_with_the_next_start(tmp_path):
    path = tmp_path / "stack.json"
    save_state(path, new_state().with_ports({"mlflow": 20002}))
    old = {name: value for name, value in json.loads(path.read_text()).items() if not name.startswith("mlflow")}
    path.write_text(json.dumps(old))
    state = load_state(path)
    assert state.mlflow_password == "", "reading makes nothing up"
    completed = state.with_all_secrets()
    assert len(completed.mlflow_password) >= 24
    assert completed == replace(state, mlflow_password=completed.mlflow_password)
    assert completed.with_all_secrets() == completed


def test_secrets_are_long_differ_between_stacks_and_stay_out_of_the_repr():
    one, two = new_state(), new_state()
    for name in ("prefect_auth", "argilla_password", "argilla_api_key", "mlflow_password"):
        secret = getattr(one, name)
        assert len(secret) >= 24
        assert secret != getattr(two, name)
        assert secret not in repr(one)


def test_a_left_over_temporary_file_is_no_hindrance(tmp_path):
    for text in ("one", "two"):
        atomic_write(tmp_path / "x", text)
    assert (tmp_path / "x").read_text() == "two"
