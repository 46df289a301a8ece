import io
from dataclasses import replace

from rich.console import Console

from tuneloop.cli.progress import StartDisplay, problem_lines, status_table
from tuneloop.stack.examination import ServiceStatus

STARTING = ServiceStatus("mlflow", "http://127.0.0.1:20002", 1, "starting", "2026-01-01T00:00:00+00:00")
HEALTHY = ServiceStatus("mlflow", "http://127.0.0.1:20002", 1, "healthy", "2026-01-01T00:00:00+00:00")


def test_without_a_terminal_each_service_gets_one_line_when_it_is_well():
    out = io.StringIO()
    with StartDisplay(Console(file=out, width=40)) as display:
        for status in (STARTING, HEALTHY, HEALTHY):
            display([status], {"mlflow": 3.21})
    assert out.getvalue() == "mlflow           healthy after   3.2 s  http://127.0.0.1:20002\n"


def test_on_a_terminal_there_is_a_table_with_seconds():
    out = io.StringIO()
    with StartDisplay(Console(file=out, width=80, force_terminal=True)) as display:
        display([STARTING], {"mlflow": 3.21})
    assert "3.2" in out.getvalue()


def test_the_address_is_shown_whole_in_a_narrow_window():
    out = io.StringIO()
    Console(file=out, width=80).print(status_table([HEALTHY]))
    assert "http://127.0.0.1:20002" in out.getvalue()


def shown(status):
    out = io.StringIO()
    Console(file=out, width=120).print(status_table([status]))
    return out.getvalue()


def test_restarts_are_shown_with_the_time_of_the_last():
    assert "restarts" in shown(HEALTHY)
    assert "3, last 01 Jan" in shown(replace(HEALTHY, restarts=3, restarted="2026-01-01T12:00:00+00:00"))


def test_the_process_that_answers_is_shown_where_it_is_another_one():
    assert "1 (77)" in shown(replace(HEALTHY, answered_by=77))
    assert "(1)" not in shown(replace(HEALTHY, answered_by=1))


def test_each_problem_is_one_line_under_the_name_of_its_service():
    assert problem_lines([HEALTHY, replace(HEALTHY, problem="port 1 is held")]) == ["mlflow: port 1 is held"]
