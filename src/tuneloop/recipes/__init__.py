"""Recipes: YAML files that say what is trained on what, and what a model must show to be promoted."""

from tuneloop.recipes.data import AnswerFormat, Augmentation, Balance, Checks, Cleaning, Data, Source
from tuneloop.recipes.evaluation import BUILT_IN, Evaluation, Judge, Rule, Suite, Terms
from tuneloop.recipes.paths import readable_recipe, require_readable
from tuneloop.recipes.recipe import Drift, Recipe, load_recipe
from tuneloop.recipes.review import Adjudication, Review, SetKind, Strategy
from tuneloop.recipes.section import Fraction
from tuneloop.recipes.training import Model, Search, Training

__all__ = [
    "BUILT_IN",
    "Adjudication",
    "AnswerFormat",
    "Augmentation",
    "Balance",
    "Checks",
    "Cleaning",
    "Data",
    "Drift",
    "Evaluation",
    "Fraction",
    "Judge",
    "Model",
    "Recipe",
    "Review",
    "Rule",
    "Search",
    "SetKind",
    "Source",
    "Strategy",
    "Suite",
    "Terms",
    "Training",
    "load_recipe",
    "readable_recipe",
    "require_readable",
]
