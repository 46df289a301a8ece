from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuneloop.data.templating import read_templates, template_rows
from tuneloop.errors import DataError
from tuneloop.recipes import AnswerFormat, load_recipe

ROOT = Path(__file__).parents[3]
TEXT = AnswerFormat()

TWO_SLOTS = """
slots:
  thing: [kettle, rake, lamp]
  unused: [x]
templates:
  - name: late
    prompt: 'Where is my {thing}? It is {day}. {"a": 1} {}'
    slots: {day: [Monday, Friday]}
    answer: {topic: parcel, reply: 'The "{thing}" comes.'}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "templates.yaml"
    path.write_text(text)
    return path


def test_a_template_becomes_a_row_for_each_choice_of_values(tmp_path: Path) -> None:
    rows = template_rows(written(tmp_path, TWO_SLOTS), AnswerFormat(kind="json", required_keys=("reply",)), seed=1)

    assert len({r.prompt for r in rows}) == len({r.id for r in rows}) == len(rows) == 6
    assert all(json.loads(r.completion)["reply"].split('"')[1] in r.prompt for r in rows)
    assert rows[0].extra["synthetic"] == {"method": "templates", "of": "template-late"}


def test_braces_that_are_no_slots_stay(tmp_path: Path) -> None:
    assert '{"a": 1} {}' in template_rows(written(tmp_path, TWO_SLOTS), TEXT, seed=1)[0].prompt


def test_rows_are_capped_and_drawn_the_same_way_every_time(tmp_path: Path) -> None:
    slots = ", ".join(f"s{i}: [{', '.join(f'v{n}' for n in range(30))}]" for i in range(8))
    prompt = " ".join(f"{{s{i}}}" for i in range(8))
    text = f"templates:\n  - {{name: big, prompt: '{prompt}', answer: Yes, slots: {{{slots}}}, rows: 7}}\n"
    path = written(tmp_path, text.replace("Yes", "'Yes'"))
    first, second, other = (template_rows(path, TEXT, seed=s) for s in (1, 1, 2))

    assert len({r.prompt for r in first}) == 7
    assert first == second
    assert first != other


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("templates: [{name: a, prompt: 'My {thing}', answer: Yes}]", "a uses the slot 'thing'"),
        ("templates: [{name: a, prompt: Hello}]", "answer"),
        ("templates: [{name: a, prompt: Hello, answer: x, wrong: 1}]", "wrong"),
        ("templates: [", "not YAML"),
        ("", "templates.yaml"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_templates(written(tmp_path, text.replace("Yes", "'Yes'")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no templates at .*nowhere.yaml"):
        read_templates(tmp_path / "nowhere.yaml")


def test_an_answer_that_the_recipe_does_not_allow_is_refused(tmp_path: Path) -> None:
    wanted = AnswerFormat(kind="json", labels={"topic": ("refund",)})

    with pytest.raises(DataError, match=r"template late is not what data.answer asks for: label of topic"):
        template_rows(written(tmp_path, TWO_SLOTS), wanted, seed=1)


def test_the_templates_of_the_support_desk_keep_its_house_rules() -> None:
    recipe = load_recipe(ROOT / "deployments/recipes/support-desk.yaml")
    rows = template_rows(ROOT / "examples/support_desk/templates.yaml", recipe.data.answer, seed=17)
    answers = [json.loads(r.completion) for r in rows]

    assert len(rows) > 30
    assert all(20 <= len(a["reply"].split()) <= 50 and a["reply"].endswith(" Mossgate Care") for a in answers)
    assert all(len(a["summary"].split()) <= 12 and not a["summary"].endswith(".") for a in answers)
    assert all(tuple(a) == recipe.data.answer.required_keys for a in answers)
