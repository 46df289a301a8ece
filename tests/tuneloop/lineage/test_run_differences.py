from __future__ import annotations

from tests.tuneloop.reports.examples import make_round
from tuneloop.lineage.data_diff import flat, run_differences, setting_differences, unknown_parts

RECIPE = {
    "name": "desk",
    "data": {"sources": [{"name": "mail", "path": "mail.jsonl"}]},
    "training": {"seed": 17, "epochs": 2.0},
    "evaluation": {"max_rows": 100},
}
ENVIRONMENT = {"torch": "2.13.0", "cores": "2", "scipy": "1.17.1"}


def test_equal_runs_differ_in_nothing() -> None:
    round_ = make_round(settings=RECIPE, environment=ENVIRONMENT)
    assert run_differences(round_, round_.model_copy(update={"number": 2})) == []


def test_settings_data_environment_and_machine_are_compared_with_whether_they_matter() -> None:
    a = make_round(settings=RECIPE, environment=ENVIRONMENT)
    b = make_round(
        settings=RECIPE | {"training": {"seed": 18, "epochs": 2.0}, "evaluation": {"max_rows": 50}},
        environment=ENVIRONMENT | {"torch": "2.14.0", "cores": "8"},
        data=a.data.model_copy(update={"version": "d2", "rows_train": 80}),
        training=a.training.model_copy(update={"chosen": {"threads": "8"}}),
    )
    found = {(d.part, d.name): (d.then, d.now, d.may_change_model) for d in run_differences(a, b)}
    assert found == {
        ("settings", "training.seed"): (17, 18, True),
        ("settings", "evaluation.max_rows"): (100, 50, False),
        ("data", "version"): ("d1", "d2", True),
        ("data", "train"): (70, 80, True),
        ("environment", "torch"): ("2.13.0", "2.14.0", True),
        ("environment", "cores"): ("2", "8", False),
        ("machine", "threads"): (None, "8", True),
    }


def test_what_an_old_round_did_not_keep_is_named_and_not_compared() -> None:
    old, new = make_round(1), make_round(2, settings=RECIPE, environment=ENVIRONMENT)
    assert run_differences(old, new) == []
    assert [text.partition(";")[0] for text in unknown_parts(old, new)] == [
        "round 1 kept no settings",
        "round 1 kept no environment",
    ]


def test_a_source_is_known_by_its_name_and_not_by_its_place() -> None:
    mail, chat = {"name": "mail", "path": "m"}, {"name": "chat", "path": "c"}
    assert setting_differences({"sources": [mail, chat]}, {"sources": [chat, mail]}) == []
    (found,) = setting_differences({"sources": [mail]}, {"sources": [mail | {"path": "n"}]})
    assert (found.name, found.then, found.now) == ("sources.mail.path", "m", "n")


def test_tuples_and_lists_are_the_same_setting() -> None:
    assert flat({"metrics": ("a", "b")}) == flat({"metrics": ["a", "b"]})
