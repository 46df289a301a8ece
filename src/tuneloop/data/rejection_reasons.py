"""What each reason for setting a row aside means, in words for people: the one place where they are said."""

from __future__ import annotations

MEANINGS = {
    # The file or the row could not be read.
    "broken_csv": "The row does not have the fields that the header promises.",
    "broken_json": "The line is not valid JSON.",
    "broken_parquet": "A part of the Parquet file is damaged and cannot be read.",
    "different_prompts": "The better and the worse answer belong to different questions.",
    "duplicate_key": "A JSON object names the same key twice, so one of the values would be lost.",
    "empty_field": "A field that is needed is empty.",
    "line_too_long": "The line is longer than any real row.",
    "missing_field": "A field that is needed is not there.",
    "truncated_file": "The file ends in the middle; what comes after cannot be read.",
    "turn_order": "The turns of the conversation do not alternate, or no answer ends it.",
    "undecodable": "The bytes are not text in the file's encoding.",
    "unknown_role": "A turn is spoken by somebody other than system, user or assistant.",
    "wrong_type": "A field holds another kind of value than text.",
    "forgotten": "The words were erased from this workspace on request; the source still has them.",
    # What a row holds.
    "bad_rating": "The rating is not a whole number from 1 to 5.",
    "empty_answer": "Nothing was answered.",
    "empty_prompt": "Nothing was asked.",
    "long_prompt": "The prompt is longer than any real question.",
    "named_reviewer": "The reviewer is named by something other than a pseudonym.",
    "never_asked": "Nobody was ever asked about this prompt.",
    "nothing_corrected": "The correction is empty, or the answer itself.",
    "response_not_unique": "Two answers have the same id.",
    "unknown_issue": "An issue tag is not one of the recipe's.",
    "bad_answer": "The answer does not have the form that the recipe asks for.",
    "bad_date": "The date cannot be read, or lies in the future.",
    "broken_characters": "Characters were damaged on the way, such as by a wrong encoding.",
    "hidden_characters": "Characters that nobody sees part a word, turn what stands where, or hide a text.",
    "html": "The text holds HTML tags.",
    "html_trace": "The text holds traces of HTML, such as tags or entities.",
    "language": "The text is in a language that the recipe does not list.",
    "low_quality": "The text is noise: repetition, symbols, shouting or nothing at all.",
    "no_preference": "One of the two answers is missing, or both are the same.",
    "outdated": "The row is older than the recipe allows.",
    "personal_data": "The row holds personal data or a secret.",
    "prompt_injection": "The text tries to give orders to the model.",
    "quoted_mail": "The text quotes an earlier mail, or ends in a signature.",
    "special_tokens": "The text writes out control tokens of a chat template.",
    "too_long": "The example has more tokens than the model is trained on.",
    "withdrawn_by_reviewer": "A reviewer wants the row left out, or reviewers have not agreed on it yet.",
    # How a row stands to others.
    "cluster_in_two_splits": "Copies of one row are in two splits, so a test row may have been trained on.",
    "contradiction": "The same question has another answer elsewhere, and nothing says which is right.",
    "exact_copy": "The same question is there already.",
    "id_not_unique": "Two rows have the same id.",
    "leakage": "The row is a near-copy of a row in another split.",
    "near_copy": "Nearly the same question is there already.",
    "same_meaning": "The row asks, in other words, what a test row asks.",
    "superseded": "A reviewer's correction of the same question takes its place.",
}


def meaning(reason: str) -> str:
    """One sentence; a reason that nobody has described yet is its own description."""
    return MEANINGS.get(reason, in_words(reason))


def in_words(name: str) -> str:
    """`near_copy` as `near copy`."""
    return name.replace("_", " ")
