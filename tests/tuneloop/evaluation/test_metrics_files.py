from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tuneloop.errors import RecipeError
from tuneloop.evaluation.metrics import AVAILABLE, check_names, identity, lower_is_better, without_expected
from tuneloop.evaluation.modules.scoring.metric_files import FOLDER, built_in_metrics

ROOT = Path(__file__).parents[3]
OWN = '''"""How often the answer says please."""

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class Manners(RowMetric):
    def score_rows(self, answers, expected):
        return [float(answer.count("please")) for answer in answers]
'''


def test_every_built_in_metric_says_in_one_line_what_it_is() -> None:
    assert {"rouge_l", "exact_match", "valid_json", "bleu", "semantic_similarity"} <= set(AVAILABLE)
    assert all(about.endswith(".") and len(about) < 120 for about in AVAILABLE.values())
    check_names(list(AVAILABLE), Path())


def test_every_built_in_metric_is_described_in_the_documentation() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [name for name in AVAILABLE if f"`{name}`" not in page] == []


def test_the_direction_of_a_metric_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "manners.py").write_text(OWN)
    (tmp_path / "rudeness.py").write_text(OWN.replace("    def", "    lower_is_better = True\n\n    def"))
    (tmp_path / "noise.py").write_text(OWN.replace("    def", "    lower_is_better: bool = True\n\n    def"))
    names = ["rouge_l", "repetition", "length_difference", "manners.py", "rudeness.py", "noise.py"]
    assert lower_is_better(names, tmp_path) == {"repetition", "length_difference", "rudeness", "noise"}
    assert lower_is_better(["examples/metrics/sentence_length.py"], ROOT) == {"sentence_length"}


def test_a_metric_says_whether_it_scores_answers_where_nobody_knows_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "manners.py").write_text(OWN.replace("    def", "    needs_expected = False\n\n    def"))
    (tmp_path / "silent.py").write_text(OWN)
    assert without_expected(list(AVAILABLE), tmp_path) == ["repetition", "term_accuracy", "valid_json"]
    assert without_expected(["manners.py", "silent.py"], tmp_path) == ["manners.py"]


def test_a_metric_is_looked_at_without_being_run(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(OWN + "\nraise SystemExit('was run')\n")
    check_names(["loud.py"], tmp_path)
    assert lower_is_better(["loud.py"], tmp_path) == set()


@pytest.mark.parametrize("name", ["wit", "", "__init__", "scoring/rouge", "../metrics", "no_such_file.py"])
def test_a_metric_that_is_not_there_is_named_with_those_that_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match=r"there is no metric .* rouge_l"):
        check_names([name], tmp_path)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = (", "cannot be read as Python"),
        ("x = 1", "has 0 classes that inherit from RowMetric"),
        (OWN + OWN.replace("Manners", "Other"), "has 2 classes"),
        (OWN.replace("class", "from .beside import it\n\nclass", 1), "write it into the file"),
        (OWN.replace("RowMetric\n", "RowMetric  # From: https://example.org/row_metric.py\n", 1), "to be downloaded"),
        (OWN.replace("    def", "    lower_is_better = 1 < 2\n\n    def"), "lower_is_better = True"),
    ],
)
def test_a_file_that_is_no_metric_is_refused(tmp_path: Path, source: str, complaint: str) -> None:
    (tmp_path / "manners.py").write_text(source)
    with pytest.raises(RecipeError, match=complaint):
        check_names(["manners.py"], tmp_path)


def test_code_outside_the_project_is_refused_however_it_is_named(tmp_path: Path) -> None:
    outside, project = tmp_path / "manners.py", tmp_path / "project"
    outside.write_text(OWN)
    project.mkdir()
    (project / "link.py").symlink_to(outside)
    for name in ("../manners.py", str(outside), "link.py"):
        with pytest.raises(RecipeError, match="outside the project"):
            check_names([name], project)


def test_two_metrics_cannot_share_a_column(tmp_path: Path) -> None:
    for place in ("rouge_l.py", "a/manners.py", "b/manners.py", "good-manners.py"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(OWN)
    with pytest.raises(RecipeError, match="built-in metric rouge_l"):
        check_names(["rouge_l.py"], tmp_path)
    with pytest.raises(RecipeError, match="manners is named twice"):
        check_names(["a/manners.py", "b/manners.py"], tmp_path)
    with pytest.raises(RecipeError, match="letters, digits"):
        check_names(["good-manners.py"], tmp_path)


def test_a_changed_metric_or_schema_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "manners.py").write_text(OWN)
    (tmp_path / "answer.json").write_text("{}")
    before = identity(["rouge_l", "manners.py"], tmp_path, "answer.json")
    (tmp_path / "manners.py").write_text(OWN.replace("please", "thank"))
    (tmp_path / "answer.json").write_text('{"type": "object"}')
    after = identity(["rouge_l", "manners.py"], tmp_path, "answer.json")
    assert {name for name in before if before[name] != after[name]} == {"manners", "answer.json"}


def test_all_code_of_a_file_of_built_in_metrics_is_in_what_is_hashed() -> None:
    hashed = [metric.source for metric in built_in_metrics()]
    for file in FOLDER.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        code = [n for n in ast.parse(text).body if not isinstance(n, (ast.Import, ast.ImportFrom, ast.Expr))]
        assert [ast.unparse(n) for n in code if ast.get_source_segment(text, n) not in hashed] == []


def test_a_broken_schema_is_found_before_anything_is_scored(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"type": "nonsense"}')
    with pytest.raises(RecipeError, match="is not a JSON Schema"):
        check_names(["valid_json"], tmp_path, "answer.json")
