import pytest

from tuneloop.recipes import Search, Training
from tuneloop.training.search.space import changed, own_values, space_of, with_values

pytestmark = pytest.mark.integration

CONFIG = Training(learning_rate=1e-3, lora_rank=16, lora_alpha=32, epochs=2)
SEARCH = Search(lora_rank=(4, 8), learning_rate=(1e-4, 5e-4), epochs=(1, 3), target_modules=("q_proj,v_proj",))


def test_the_recipes_own_values_are_part_of_the_space():
    space = space_of(SEARCH, CONFIG)
    assert space.choices["lora_rank"] == (4, 8, 16)
    assert space.choices["epochs"] == (1, 2, 3)
    assert space.choices["target_modules"] == ("all-linear", "q_proj,v_proj")
    assert space.rates == (1e-4, 1e-3)


def test_values_go_to_the_optimiser_and_back():
    space = space_of(SEARCH, CONFIG)
    own = own_values(space, CONFIG)
    assert own == {"epochs": 2, "learning_rate": 1e-3, "lora_rank": 16, "target_modules": "all-linear"}
    assert space.values(space.params(own)) == own
    assert set(space.params(own)) == set(space.distributions())


def test_numbers_are_offered_by_their_place_so_that_the_optimiser_knows_their_order():
    space = space_of(SEARCH, CONFIG)
    assert space.params({"lora_rank": 8}) == {"lora_rank": 1}
    assert space.distributions()["lora_rank"].to_internal_repr(2) == 2


def test_a_rate_is_tried_as_it_can_be_read_and_pasted():
    space = space_of(Search(lora_rank=(), epochs=(), target_modules=()), CONFIG)
    assert space.values({"learning_rate": 0.000123456}) == {"learning_rate": 0.000123}


def test_alpha_follows_the_rank_so_that_the_scale_of_the_adapters_stays():
    trial = with_values(CONFIG, {"lora_rank": 4})
    assert trial.lora_alpha / trial.lora_rank == CONFIG.lora_alpha / CONFIG.lora_rank
    assert changed(CONFIG, {"lora_rank": 4, "learning_rate": 1e-3}) == {"lora_rank": 4, "lora_alpha": 8}


def test_full_fine_tuning_has_neither_rank_nor_targets_to_search():
    assert set(space_of(SEARCH, Training(method="full")).choices) == {"epochs"}


def test_without_a_rate_every_combination_is_listed_in_a_seeded_order():
    search = SEARCH.model_copy(update={"learning_rate": None})
    space = space_of(search, CONFIG)
    one, same, other = space.combinations(1), space.combinations(1), space.combinations(2)
    assert one == same != other
    assert len(one) == 3 * 3 * 2
    assert {tuple(sorted(v.items())) for v in one} == {tuple(sorted(v.items())) for v in other}


def test_a_value_that_no_training_section_takes_is_an_error():
    with pytest.raises(ValueError, match="lora_rank"):
        with_values(CONFIG, {"lora_rank": -1})
