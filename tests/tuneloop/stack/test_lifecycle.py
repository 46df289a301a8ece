import pytest

from tests.tuneloop.stack.building import layout_in
from tests.tuneloop.stack.fakes import FakePools
from tuneloop.errors import ServiceError
from tuneloop.stack.layout import Layout
from tuneloop.stack.lifecycle import Stack
from tuneloop.stack.services import SERVICE_NAMES


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
