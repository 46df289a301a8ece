from dataclasses import replace

import pytest

from tests.tuneloop.stack.building import layout_in
from tests.tuneloop.stack.fakes import FakePools
from tuneloop.errors import ServiceError
from tuneloop.stack.layout import Layout
from tuneloop.stack.lifecycle import Stack
from tuneloop.stack.services import SERVICE_NAMES
from tuneloop.stack.state import load_state, new_state, save_state


def stack(layout):
    return Stack(layout, work_pools=lambda _url, _auth: FakePools(), register_webhook=lambda _url, _key, _to: "s")


def ignore(_statuses, _seconds):
    pass


def test_a_stack_that_was_never_started_has_all_services_stopped_and_leaves_no_trace(tmp_path):
    layout = Layout(tmp_path, tmp_path / ".tuneloop")
    assert [(s.name, s.health) for s in stack(layout).status()] == [(name, "stopped") for name in SERVICE_NAMES]
    assert not stack(layout).is_up()
    assert not layout.workspace.exists()


def test_stopping_what_never_started_is_fine(tmp_path):
    assert stack(Layout(tmp_path, tmp_path / ".tuneloop")).down() == 0
    assert stack(layout_in(tmp_path)).down() == 0


def test_starting_without_the_argilla_server_says_what_to_do_and_changes_nothing(tmp_path):
    layout = Layout(tmp_path, tmp_path / ".tuneloop")
    with pytest.raises(ServiceError, match="make setup"):
        stack(layout).up(ignore)
    assert not layout.workspace.exists()


def test_the_state_of_an_older_stack_gets_the_secrets_that_it_lacks_and_keeps_the_others(tmp_path):
    layout = layout_in(tmp_path)
    old = replace(new_state(), mlflow_password="")
    save_state(layout.state_file, old)
    settled = stack(layout)._settled_state(set())
    assert settled.mlflow_password
    assert replace(settled, mlflow_password="", ports={}) == old
    assert load_state(layout.state_file) == settled
    assert stack(layout)._settled_state(set()) == settled
