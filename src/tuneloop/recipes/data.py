"""What a model is trained and tested on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tuneloop.recipes.section import Fraction, Name, Section, Seed
from tuneloop.severities import Severity, problem_with

Cleaning = Literal["unicode", "html", "mail", "boilerplate"]


class Source(Section):
    """Where rows come from."""

    name: Name = Field(description="short name; part of every row's lineage")
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
    private: bool = Field(
        default=False,
        description="all rows of this source are the private test set: never trained on, never chosen by, never shown, "
        "and scored only for a model that is to be promoted",
    )

    @model_validator(mode="after")
    def _one_kind_of_test(self) -> Source:
        if self.held_out and self.private:
            raise ValueError(f"source {self.name} is either held out or private: a private row is in no other test set")
        return self


class AnswerFormat(Section):
    """What a right answer looks like, for tasks that have a fixed form."""

    kind: Literal["text", "json"] = "text"
    required_keys: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="key -> allowed values")
    json_schema: str | None = Field(
        default=None, description="JSON Schema of a right answer, a file relative to the project's root"
    )


class Checks(Section):
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


class Balance(Section):
    """No slice of the training rows may outnumber the smallest one by more than `max_ratio`."""

    by: str = Field(description="`label:KEY` of a JSON answer, `extra:KEY`, `source`, or `group_term`")
    max_ratio: float = Field(default=3.0, ge=1)
    method: Literal["downsample", "upsample"] = "downsample"


class Augmentation(Section):
    """Synthetic training rows made from real ones. Never in validation or test, always marked."""

    methods: tuple[Literal["noise", "templates", "paraphrase", "back_translation"], ...]
    per_row: int = Field(default=1, gt=0, le=1000, description="synthetic rows tried per real row and method")
    max_share: Fraction = Field(default=0.7, description="of all training rows that may be synthetic")
    min_fidelity: Fraction = Field(default=0.8, description="cosine (MiniLM) of a synthetic prompt with its original")
    templates: str | None = Field(default=None, description="YAML file of templates, relative to the project's root")
    seed: Seed = 17


class Data(Section):
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
