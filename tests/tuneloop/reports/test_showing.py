from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from tests.tuneloop.reports.examples import make_round
from tuneloop.registry.summary import summarise
from tuneloop.reports.rounds import print_rounds, render_page, write_page
from tuneloop.reports.training import loss_curve

PNG = b"\x89PNG"
PROMISED = {
    "rows_in",
    "rows_quarantined",
    "rows_train",
    "rows_validation",
    "rows_test",
    "train_loss",
    "eval_loss",
    "metrics",
    "gate",
    "seconds",
    "peak_rss_mib",
}


def test_the_summary_has_every_promised_key() -> None:
    (summary,) = summarise([make_round()])
    assert set(summary) >= PROMISED
    assert summary["gate"] == {"decision": "promote", "reasons": ["valid_json rose by 0.90 <b>over</b> base"]}
    assert summary["metrics"]["valid_json"] == {"value": 0.9, "low": 0.8, "high": 1.0, "n": 48}
    assert summary["seconds"]["training"] == 12.3


def test_the_table_shows_base_and_rounds_with_intervals() -> None:
    console = Console(file=io.StringIO(), width=160)
    print_rounds([make_round(1), make_round(2)], console)
    text = console.file.getvalue()
    assert "0.90 [0.80, 1.00]" in text
    assert "round 2" in text
    assert "✓ valid_json rose by 0.90" in text


def test_the_page_is_whole_without_the_network_and_escapes_what_it_shows() -> None:
    page = render_page([make_round(1), make_round(2)])
    assert page.count("data:image/png;base64,") == 2
    assert "http://" not in page
    assert "https://" not in page
    assert "&lt;b&gt;over&lt;/b&gt;" in page


def test_the_page_is_written_beside_the_rounds(tmp_path: Path) -> None:
    (tmp_path / "rounds/desk").mkdir(parents=True)
    file = write_page(tmp_path, [make_round()])
    assert file == tmp_path / "rounds/desk/report.html"
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_loss_curve_is_a_png_even_without_validation_points() -> None:
    points = [p for p in make_round().training.losses if p.eval_loss is None]
    assert loss_curve(points).startswith(PNG)
    assert loss_curve([]).startswith(PNG)
