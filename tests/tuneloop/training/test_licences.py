"""A base model's licence is known, and open or agreed to, before anything else happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuneloop.errors import ModelError
from tuneloop.training.licences import OPEN_LICENCES, licence_of_card, licence_of_folder, require_licence

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("licence", ["apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0"])
def test_open_licences_need_nobodys_agreement(licence: str) -> None:
    assert require_licence("m", licence, stated=None, agreed=()) == licence


@pytest.mark.parametrize("licence", ["llama3.1", "gemma", "cc-by-nc-4.0", "gpl-3.0", "openrail"])
def test_any_other_licence_blocks_and_the_message_says_how_to_agree(licence: str) -> None:
    with pytest.raises(ModelError) as refused:
        require_licence("org/model", licence, stated=None, agreed=("another",))
    message = str(refused.value)
    assert all(part in message for part in ("org/model", repr(licence), "apache-2.0", f"licences: [{licence}]"))


def test_a_licence_that_was_agreed_to_passes_however_it_is_written() -> None:
    assert require_licence("m", "llama3.1", stated=None, agreed=("Llama3.1",)) == "llama3.1"


def test_an_unknown_licence_blocks_and_the_message_says_how_to_state_it() -> None:
    with pytest.raises(ModelError, match=r"not known.*licence: apache-2\.0"):
        require_licence("m", None, stated=None, agreed=())


def test_the_recipe_states_the_licence_where_the_card_does_not() -> None:
    assert require_licence("m", None, stated="MIT", agreed=()) == "mit"
    with pytest.raises(ModelError, match="gemma"):
        require_licence("m", None, stated="gemma", agreed=())


def test_the_recipe_cannot_overrule_the_card() -> None:
    with pytest.raises(ModelError, match=r"'llama3'.*'mit'"):
        require_licence("m", "llama3", stated="mit", agreed=())


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"license": "Apache-2.0"}, "apache-2.0"),
        ({"license": "other", "license_name": "qwen-research"}, "qwen-research"),
        ({"license": "other"}, None),
        ({"license": "unknown"}, None),
        ({"license": ["mit"]}, "mit"),
        ({"license": ["mit", "gemma"]}, "mit and gemma"),
        ({"license": None}, None),
        ({}, None),
    ],
)
def test_the_licence_is_read_as_model_cards_write_it(metadata: dict[str, object], licence: str | None) -> None:
    assert licence_of_card(metadata) == licence


def test_a_folder_says_its_licence_in_the_front_matter_of_its_card(tmp_path: Path) -> None:
    assert licence_of_folder(tmp_path) is None
    (tmp_path / "README.md").write_text("# No front matter\n")
    assert licence_of_folder(tmp_path) is None
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    assert licence_of_folder(tmp_path) == "mit"


def test_every_open_licence_is_written_as_cards_write_it_and_says_why() -> None:
    assert all(name == name.lower() and why for name, why in OPEN_LICENCES.items())
