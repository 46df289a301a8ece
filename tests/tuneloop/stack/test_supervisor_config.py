import shlex

import pytest
from supervisor.options import ServerOptions

from tests.tuneloop.stack.building import layout_in, state
from tuneloop.errors import ServiceError
from tuneloop.stack.services import services
from tuneloop.stack.supervisor_config import LAUNCH, render_config


def understood(layout, wanted):
    """The programs as supervisor itself reads them from the file."""
    layout.supervisor_config.write_text(render_config(layout, wanted))
    options = ServerOptions()
    options.realize(["-c", str(layout.supervisor_config)])
    return options, {p.name: p.process_configs[0] for p in options.process_group_configs}


@pytest.mark.parametrize("folder", ["plain", "with blank", "it's", "comma,equals="])
def test_supervisor_reads_back_exactly_what_each_service_says(tmp_path, folder):
    (tmp_path / folder).mkdir()
    layout = layout_in(tmp_path / folder)
    wanted = services(layout, state(), layout.root / "argilla-embedded")
    _, programs = understood(layout, wanted)
    for service in wanted:
        program = programs[service.name]
        assert tuple(shlex.split(program.command)) == (*LAUNCH, *service.command)
        assert program.environment == {
            **service.environment,
            "TUNELOOP_SERVICE": f"{service.name}@{layout.workspace}",
            "TMPDIR": str(layout.temporary(service.name)),
        }
        assert program.directory == str(service.directory)
        assert program.stdout_logfile == str(layout.log_file(service.name))


def test_nothing_starts_by_itself_and_everything_is_kept_alive_and_stopped_as_a_group(tmp_path):
    layout = layout_in(tmp_path)
    _, programs = understood(layout, services(layout, state(), tmp_path / "a"))
    assert {p.autostart for p in programs.values()} == {False}
    assert all(p.autorestart and p.stopasgroup and p.killasgroup for p in programs.values())


def test_the_control_socket_is_private_and_there_is_no_network_port(tmp_path):
    layout = layout_in(tmp_path)
    options, _ = understood(layout, services(layout, state(), tmp_path / "a"))
    [server] = options.server_configs
    assert (server["file"], server["chmod"]) == (str(layout.socket), 0o600)
    assert options.umask == 0o077


@pytest.mark.parametrize("folder", ['quo"te', "50% off", "com ;ment", "com #ment", "line\nbreak"])
def test_a_path_that_the_file_format_cannot_carry_is_refused(tmp_path, folder):
    (tmp_path / folder).mkdir()
    layout = layout_in(tmp_path / folder)
    with pytest.raises(ServiceError, match="plainer name"):
        render_config(layout, services(layout, state(), tmp_path / "a"))
