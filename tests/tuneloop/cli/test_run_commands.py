import pytest

from tuneloop.cli.flow_runs import path_from_root
from tuneloop.errors import RecipeError


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "project" / "deployments"
    folder.mkdir(parents=True)
    (folder / "a.yaml").touch()
    (tmp_path / "outside.yaml").touch()
    return tmp_path / "project"


def test_a_recipe_of_the_project_is_named_from_its_root(root):
    assert path_from_root(root / "deployments" / "a.yaml", root) == "deployments/a.yaml"


def test_a_path_from_the_root_is_understood_from_anywhere(root, tmp_path):
    assert path_from_root((root / "deployments/a.yaml").relative_to(root), root) == "deployments/a.yaml"


def test_a_recipe_elsewhere_keeps_its_full_path(root, tmp_path):
    assert path_from_root(tmp_path / "outside.yaml", root) == str((tmp_path / "outside.yaml").resolve())


def test_a_missing_recipe_is_an_error(root):
    with pytest.raises(RecipeError, match=r"no recipe at b\.yaml"):
        path_from_root(root.relative_to(root) / "b.yaml", root)
