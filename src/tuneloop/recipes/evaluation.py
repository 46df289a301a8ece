"""How a model is measured, and what it must show to be promoted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tuneloop.recipes.section import Fraction, Section, Seed

BUILT_IN = "built-in"
OUR_VARIABLES = ("TUNELOOP_", "PREFECT_", "MLFLOW_", "ARGILLA_", "SUPERVISOR_")
"""How the variables begin that hold the stack's own logins. A judge is sent what its variable holds, so whoever writes
a recipe could have them sent to a host of their choice."""


class Rule(Section):
    """One line of the gate, on the paired difference of candidate minus reference over the same rows.

    `improve`: its lower bound lies above 0. `non_inferior`: above -margin. `no_harm`: it is not shown to lie below
    -margin; for slices and suites that are too small to prove that nothing was lost. `absolute`: the candidate's own
    lower bound lies above `minimum`. For a metric where lower is better everything is turned round.
    """

    metric: str
    against: Literal["base", "champion"] = "base"
    kind: Literal["improve", "non_inferior", "no_harm", "absolute"] = "improve"
    margin: float = Field(default=0.0, ge=0)
    minimum: float | None = None
    slice: str | None = Field(
        default=None,
        description="apply the rule to every slice of the test rows; named as in `data.slices`, or `KEY=VALUE` for one",
    )

    @model_validator(mode="after")
    def _absolute_has_minimum(self) -> Rule:
        if self.kind == "absolute" and self.minimum is None:
            raise ValueError(f"the absolute rule on {self.metric} needs a `minimum`")
        return self


class Suite(Section):
    """A set of prompts of one kind."""

    items: str = Field(
        default=BUILT_IN, description="JSONL file, relative to the project's root, or `built-in` for the set we wrote"
    )
    max_items: int | None = Field(default=None, gt=0, description="a stable sample, spread over the categories")


class Judge(Section):
    """A language model that says which of two answers is better. It counts in the gate only where it has been shown to
    agree with the people who reviewed."""

    model: str = Field(description="name at the endpoint; without an endpoint, a folder or `package:` as in model.base")
    endpoint: str | None = Field(default=None, description="base URL of an OpenAI-compatible server, such as .../v1")
    api_key_variable: str | None = Field(default=None, description="environment variable that holds the key")
    criteria: str = "Which answer is more helpful, correct and complete?"
    max_rows: int = Field(default=100, gt=0, description="pairs judged per evaluation, each twice with order swapped")
    min_kappa: Fraction = Field(
        default=0.4, description="lower bound of agreement with people, Cohen's kappa, below which it does not count"
    )

    @field_validator("api_key_variable")
    @classmethod
    def _not_ours(cls, name: str | None) -> str | None:
        if name is not None and name.strip().upper().startswith(OUR_VARIABLES):
            raise ValueError(
                f"{name} may hold a login of the stack, which no judge is given; put the judge's own key into another "
                "variable, such as JUDGE_API_KEY"
            )
        return name


class Terms(Section):
    """Words that an answer must have where the expected answer has them, and words that no answer may have."""

    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


class Evaluation(Section):
    max_rows: int | None = Field(default=None, gt=0, description="stable sample of the test rows")
    max_new_tokens: int = Field(default=160, gt=0, le=2**17)
    batch_size: int = Field(default=16, gt=0, le=2**16)
    metrics: tuple[str, ...] = Field(
        default=("rouge_l", "exact_match"), description="names of built-in metrics, or paths of files with your own"
    )
    terms: Terms = Terms()
    slices: tuple[str, ...] = Field(
        default=("source",), description="what scores are broken down by; names as in `data.slices`"
    )
    min_slice_rows: int = Field(default=10, gt=0, description="smaller slices are not compared")
    forgetting: Suite | None = Field(default=Suite(max_items=60), description="general skills before and after")
    red_team: Suite | None = Field(default=Suite(max_items=56), description="prompts that invite a bad answer")
    bias_pairs: Suite | None = Field(
        default=Suite(max_items=32), description="prompts that differ only in a group of people"
    )
    speed: bool = Field(default=True, description="time to first token, tokens per second, peak memory")
    lm_eval_tasks: tuple[str, ...] = Field(
        default=(), description="tasks of lm-evaluation-harness (extra `lm-eval`); best on a GPU"
    )
    lm_eval_files: str | None = Field(default=None, description="folder with task files of your own; their code is run")
    lm_eval_limit: int | None = Field(default=None, gt=0, description="samples per task, the first ones")
    judge: Judge | None = None
    artefact: Literal["merged", "gguf-f16", "gguf-q8_0"] = Field(
        default="merged", description="what will be served, and so what is measured"
    )
    confidence: Fraction = Field(default=0.95, description="of intervals; rules are tested one-sided at half the rest")
    improvement: Literal["all", "any"] = Field(
        default="all", description="whether all `improve` rules must hold, or any (Holm-corrected)"
    )
    rules: tuple[Rule, ...] = ()
    seed: Seed = 17
