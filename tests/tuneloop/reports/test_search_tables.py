import yaml

from tuneloop.reports.search import (
    curve_markdown,
    curve_verdict,
    draw_curve,
    draw_search,
    recipe_lines,
    search_markdown,
    trial_rows,
    verdict,
)
from tuneloop.results.search import (
    Comparison,
    CurvePoint,
    LearningCurve,
    SearchReport,
    TrialResult,
    latest_search,
    save,
)

OWN = {"learning_rate": 1e-3, "lora_rank": 16, "target_modules": "all-linear"}
PNG = b"\x89PNG"


def trial(number, loss, state="finished", **more):
    values = OWN if number == 0 else {**OWN, "learning_rate": 1e-4 * number, "lora_rank": 4}
    return TrialResult(number=number, values=values, state=state, loss=loss, seconds=90, **more)


def report(*trials, difference=-0.02, high=-0.01, planned=4):
    best = min((t for t in trials if t.state == "finished"), key=lambda t: t.loss)
    comparison = Comparison(difference=difference, low=2 * difference - high, high=high, rows=24, candidates=3)
    return SearchReport(
        recipe="desk",
        data_version="d1",
        rows=96,
        validation_rows=24,
        planned=planned,
        trials=list(trials),
        comparison=comparison if best.number else None,
        lines={"learning_rate": 8.1e-5, "lora_rank": 4} if best.number else {},
    )


SEARCHED = report(
    trial(0, 0.5), trial(1, 0.48), trial(2, 0.9, "pruned", pruned_at=0.5), trial(3, None, "failed", reason="it climbs")
)


def test_trials_are_ranked_by_loss_and_those_given_up_come_last():
    rows = trial_rows(SEARCHED)
    assert [row["trial"] for row in rows] == ["1", "0 (the recipe's)", "2", "3"]
    assert [row["ended"] for row in rows] == ["finished", "finished", "given up at 50 %", "failed: it climbs"]


def test_a_difference_beyond_the_noise_is_called_better():
    assert "better by more than" in verdict(SEARCHED)
    assert "-0.0200" in verdict(SEARCHED)


def test_a_difference_within_the_noise_is_not_called_better():
    text = verdict(report(trial(0, 0.5), trial(1, 0.49), difference=-0.01, high=0.02, planned=2))
    assert "not distinguishable" in text
    assert "Keep the recipe's values" in text


def test_nothing_better_than_the_recipe_is_said_plainly_and_leaves_nothing_to_paste():
    found = report(trial(0, 0.4), trial(1, 0.5), planned=2)
    assert verdict(found).startswith("Nothing tried was better")
    assert recipe_lines(found) == ""


def test_a_search_that_goes_on_says_how_far_it_is():
    assert "1 of 4 trials" in verdict(report(trial(0, 0.4)))


def test_the_lines_for_the_recipe_are_yaml_that_reads_back_as_numbers():
    assert yaml.safe_load(recipe_lines(SEARCHED)) == {"training": {"learning_rate": 8.1e-5, "lora_rank": 4}}


def test_the_page_holds_verdict_picture_table_and_lines():
    page = search_markdown(SEARCHED, "data:image/png;base64,xyz")
    assert all(part in page for part in (verdict(SEARCHED), "base64,xyz", "| trial |", "```yaml"))


def test_pictures_are_drawn_whatever_was_searched():
    no_rate = SEARCHED.model_copy(
        update={"trials": [TrialResult(number=0, values={"epochs": 2}, state="finished", loss=0.4)]}
    )
    nothing = SEARCHED.model_copy(update={"trials": []})
    assert all(draw_search(found).startswith(PNG) for found in (SEARCHED, no_rate, nothing))


def curve(slope, low, high):
    points = [CurvePoint(rows=60 * 2**k, loss=1.0 - 0.1 * k, seconds=9) for k in range(3)]
    return LearningCurve(
        recipe="desk",
        data_version="d1",
        steps=48,
        validation_rows=24,
        points=points,
        slope=slope,
        intercept=1.6,
        slope_low=low,
        slope_high=high,
    )


def test_a_curve_that_falls_for_certain_says_what_twice_the_rows_would_bring():
    text = curve_verdict(curve(-0.1, -0.15, -0.05))
    assert text.startswith("More rows should help")
    assert "480 rows" in text


def test_a_curve_that_may_be_flat_says_that_it_does_not_know():
    assert "do not say" in curve_verdict(curve(-0.1, -0.3, 0.1))


def test_a_curve_that_rises_says_that_more_rows_have_not_helped():
    assert "not helped" in curve_verdict(curve(0.1, 0.05, 0.15))


def test_two_points_are_too_few_for_a_sentence_about_more_rows():
    found = curve(None, None, None)
    assert "too few" in curve_verdict(found)
    assert draw_curve(found).startswith(PNG)
    assert "| training rows |" in curve_markdown(found, "data:")


def test_the_newest_search_of_a_recipe_is_found_again(tmp_path):
    assert latest_search(tmp_path, "desk") is None
    save(SEARCHED, tmp_path / "searches/desk/abc/search.json")
    assert latest_search(tmp_path, "desk") == (tmp_path / "searches/desk/abc", SEARCHED)
