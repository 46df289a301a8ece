from __future__ import annotations

from tuneloop.lineage.data_diff import chosen_differences, environment_differences, flat, setting_differences

RECIPE = {
    "name": "desk",
    "data": {"sources": [{"name": "mail", "path": "mail.jsonl"}]},
    "training": {"seed": 17, "epochs": 2.0},
    "evaluation": {"max_rows": 100},
}
ENVIRONMENT = {"torch": "2.13.0", "cores": "2", "scipy": "1.17.1"}


def test_equal_settings_and_environments_differ_in_nothing() -> None:
    assert setting_differences(RECIPE, RECIPE) == environment_differences(ENVIRONMENT, ENVIRONMENT) == []


def test_settings_and_environment_are_compared_with_whether_they_matter() -> None:
    now = RECIPE | {"training": {"seed": 18, "epochs": 2.0}, "evaluation": {"max_rows": 50}}
    found = [
        *setting_differences(RECIPE, now),
        *environment_differences(ENVIRONMENT, ENVIRONMENT | {"torch": "2.14.0", "cores": "8"}),
        *chosen_differences({}, {"threads": "8"}),
    ]
    assert {(d.part, d.name): (d.then, d.now, d.may_change_model) for d in found} == {
        ("settings", "training.seed"): (17, 18, True),
        ("settings", "evaluation.max_rows"): (100, 50, False),
        ("environment", "torch"): ("2.13.0", "2.14.0", True),
        ("environment", "cores"): ("2", "8", False),
        ("machine", "threads"): (None, "8", True),
    }


def test_a_source_is_known_by_its_name_and_not_by_its_place() -> None:
    mail, chat = {"name": "mail", "path": "m"}, {"name": "chat", "path": "c"}
    assert setting_differences({"sources": [mail, chat]}, {"sources": [chat, mail]}) == []
    (found,) = setting_differences({"sources": [mail]}, {"sources": [mail | {"path": "n"}]})
    assert (found.name, found.then, found.now) == ("sources.mail.path", "m", "n")


def test_tuples_and_lists_are_the_same_setting() -> None:
    assert flat({"metrics": ("a", "b")}) == flat({"metrics": ["a", "b"]})
