"""Which tier a test belongs to, by its place. See CONTRIBUTING.md for what each tier needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no bug, so no deadline; a fixed seed, so that a red run can be repeated.
settings.register_profile("tuneloop", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("tuneloop")

TESTS = Path(__file__).parent
TIERS = {
    "flows": "flow",
    "end_to_end": "end_to_end",
    "browser": "end_to_end",
    # These load Great Expectations, spaCy, torch or `evaluate`, seconds each, or train a tiny model.
    "expectations": "integration",
    "tuneloop/training": "integration",
    "tuneloop/evaluation/test_evaluating.py": "integration",
    "tuneloop/evaluation/test_generation.py": "integration",
    "tuneloop/evaluation/test_fast_decoding.py": "integration",
    "tuneloop/evaluation/test_losses.py": "integration",
    "tuneloop/evaluation/test_gate_on_equal_models.py": "integration",
    "tuneloop/evaluation/test_metrics.py": "integration",
    "tuneloop/evaluation/suites/test_suites_on_a_model.py": "integration",
    "tuneloop/evaluation/suites/test_measuring.py": "integration",
    "tuneloop/evaluation/test_speed.py": "integration",
    "tuneloop/evaluation/test_prompt_parity.py": "integration",
    "saboteurs": "slow",
    "tuneloop/evaluation/test_gguf_model.py": "integration",
    "tuneloop/evaluation/judge/test_kappa_by_library.py": "integration",
    "tuneloop/adapters/test_local_judge.py": "integration",
    "tuneloop/evaluation/suites/test_lm_eval.py": "integration",
    "tuneloop/evaluation/test_private_score.py": "integration",
    "tuneloop/evaluation/test_metrics_overlap.py": "integration",
    "tuneloop/lineage/test_weights.py": "integration",
    "tuneloop/cli/test_reproduce_command.py": "integration",
    "tasks/test_registry.py": "integration",
    "tuneloop/cli/test_models_command.py": "integration",
    "tuneloop/cli/test_models_killed.py": "integration",
    "tuneloop/registry/test_registry_attacks.py": "integration",
    "tuneloop/data/test_columns.py": "integration",
    "tuneloop/data/test_national_ids.py": "integration",
    "tuneloop/data/test_english_words.py": "integration",
    "tuneloop/data/test_hub_files.py": "integration",
    "tuneloop/adapters/test_local_rewriter.py": "integration",
    "tuneloop/data/test_person_names.py": "integration",
    "tuneloop/test_chat.py": "integration",
    "tuneloop/cli/test_train_command.py": "integration",
    "tuneloop/workflows/forgetting": "integration",
    "tuneloop/workflows/prepare_data": "integration",
    "tuneloop/cli/test_validate_on_files.py": "integration",
}


def tier_of(path: Path) -> str | None:
    """The tier of a test file or folder; None: a unit test."""
    return next((tier for place, tier in TIERS.items() if path.is_relative_to(TESTS / place)), None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files of a deselected tier unread: reading them would import what makes them slow."""
    tier = tier_of(collection_path)
    return True if tier and f"not {tier}" in config.option.markexpr else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if tier := tier_of(item.path):
            item.add_marker(tier)
