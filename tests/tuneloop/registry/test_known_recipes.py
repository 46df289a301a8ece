from tuneloop.registry.known_rounds import known_recipes, note_recipe, recipe_of


def test_a_moved_recipe_is_known_at_its_new_place(tmp_path):
    note_recipe(tmp_path, "tea", "old.yaml")
    note_recipe(tmp_path, "tea", "recipes/tea.yaml")
    note_recipe(tmp_path, "faq", "faq.yaml")
    assert known_recipes(tmp_path) == {"faq": "faq.yaml", "tea": "recipes/tea.yaml"}
    assert [p.name for p in (tmp_path / "rounds/tea").iterdir()] == ["recipe.path"]


def test_a_workspace_without_rounds_knows_none(tmp_path):
    assert known_recipes(tmp_path) == {}


def test_a_set_belongs_to_the_recipe_with_the_longest_fitting_name():
    known = {"tea": "a", "tea-green": "b"}
    assert recipe_of("tea-round-1", known) == "tea"
    assert recipe_of("tea-green-adjudication-2", known) == "tea-green"
    assert recipe_of("teapot-round-1", known) is None
