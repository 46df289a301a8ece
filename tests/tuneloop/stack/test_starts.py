from tests.tuneloop.stack.building import layout_in
from tuneloop.stack.starts import Starts, forget_starts, note_start, starts_of


def test_the_first_start_is_no_restart_and_each_further_one_is(tmp_path):
    layout = layout_in(tmp_path)
    assert starts_of(layout, "mlflow") == Starts()
    note_start(layout, "mlflow")
    assert starts_of(layout, "mlflow") == Starts()
    note_start(layout, "mlflow")
    note_start(layout, "mlflow")
    assert starts_of(layout, "mlflow").restarts == 2
    assert starts_of(layout, "prefect") == Starts()


def test_after_up_has_started_it_anew_the_count_begins_again(tmp_path):
    layout = layout_in(tmp_path)
    for _ in range(3):
        note_start(layout, "mlflow")
    forget_starts(layout, ["mlflow", "never-started"])
    note_start(layout, "mlflow")
    assert starts_of(layout, "mlflow") == Starts()


def test_a_damaged_note_hides_nothing_else(tmp_path):
    layout = layout_in(tmp_path)
    note_start(layout, "mlflow")
    (layout.run / "starts" / "mlflow.json").write_text("{")
    assert starts_of(layout, "mlflow") == Starts()
    note_start(layout, "mlflow")
    assert starts_of(layout, "mlflow").restarts == 1
