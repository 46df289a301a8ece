import re

import pytest

from tests.tuneloop.stack.building import layout_in, state
from tuneloop.errors import ServiceError
from tuneloop.stack.services import SERVICE_NAMES, argilla_program, services

SECRET = re.compile("(prefect|argilla|key|hook|mlflow)-secret")


@pytest.fixture
def all_services(tmp_path):
    return services(layout_in(tmp_path), state(), tmp_path / "argilla-embedded")


def test_all_names_are_known(all_services):
    assert tuple(s.name for s in all_services) == SERVICE_NAMES


def test_no_secret_stands_on_a_command_line_where_every_user_could_read_it(all_services):
    assert not [s.name for s in all_services if SECRET.search(" ".join(s.command))]


def test_no_secret_is_in_the_repr(all_services):
    assert not SECRET.search(repr(all_services))


def test_pages_and_probes_are_on_this_machine_only(all_services):
    urls = [u for s in all_services for u in (s.url, s.probe) if u]
    assert len(urls) == 7
    assert all(u.startswith("http://127.0.0.1:") for u in urls)


def test_workers_run_in_the_projects_root(all_services, tmp_path):
    assert {s.directory for s in all_services if s.name.startswith("worker")} == {tmp_path}


def test_a_missing_argilla_server_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(ServiceError, match="make setup"):
        argilla_program(tmp_path, None)


def test_a_folder_is_no_argilla_server(tmp_path):
    with pytest.raises(ServiceError, match="TUNELOOP_ARGILLA_BIN"):
        argilla_program(tmp_path, tmp_path)


def test_the_argilla_server_is_found_in_its_own_environment_or_where_the_user_says(tmp_path):
    usual = tmp_path / ".venv-argilla" / "bin" / "argilla-embedded"
    usual.parent.mkdir(parents=True)
    for program in (usual, tmp_path / "elsewhere"):
        program.touch(mode=0o755)
    assert argilla_program(tmp_path, None) == usual
    assert argilla_program(tmp_path, tmp_path / "elsewhere") == tmp_path / "elsewhere"
