import pytest
import typer
from typer.testing import CliRunner

from tests.tuneloop.reports.test_search_tables import SEARCHED, curve
from tuneloop.cli import search_command
from tuneloop.cli.app import PlainErrors
from tuneloop.results.search import save

RECIPE = "name: desk\ndata: {sources: [{name: s, path: rows.jsonl}]}\nmodel: {base: x}\n"


@pytest.fixture
def tuneloop(tmp_path):
    """Runs the command in a project with one recipe."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    app = typer.Typer(cls=PlainErrors)
    search_command.register(app)
    app.callback()(lambda: None)

    def run(*arguments):
        variables = {"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": "ws"}
        return CliRunner().invoke(app, ["search", "recipe.yaml", *arguments], env=variables)

    return run


def test_show_prints_the_trials_the_verdict_and_the_lines_to_paste_and_draws(tuneloop, tmp_path):
    folder = tmp_path / "ws/searches/desk/abc"
    save(SEARCHED, folder / "search.json")
    result = tuneloop("--show")
    assert result.exit_code == 0
    assert "given up at 50 %" in result.output
    assert "better by more than" in result.output
    assert result.output.endswith("training:\n  learning_rate: 8.1e-05\n  lora_rank: 4\n")
    assert (folder / "search.png").is_file()


def test_show_never_changes_the_recipe(tuneloop, tmp_path):
    save(SEARCHED, tmp_path / "ws/searches/desk/abc/search.json")
    tuneloop("--show")
    assert (tmp_path / "recipe.yaml").read_text() == RECIPE


def test_show_of_a_learning_curve_prints_points_and_sentence(tuneloop, tmp_path):
    save(curve(-0.1, -0.15, -0.05), tmp_path / "ws/learning-curves/desk/abc/curve.json")
    result = tuneloop("--show", "--learning-curve")
    assert result.exit_code == 0
    assert "More rows should help" in result.output


@pytest.mark.parametrize("arguments", [("--show",), ("--show", "--learning-curve")])
def test_show_before_any_search_says_what_to_do(tuneloop, arguments):
    result = tuneloop(*arguments)
    assert result.exit_code == 1
    assert "yet: `tuneloop search" in result.output
