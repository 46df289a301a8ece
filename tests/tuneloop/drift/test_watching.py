from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tuneloop.drift.traffic import TrafficRow, append, read_window
from tuneloop.drift.watching import last_drift, watch
from tuneloop.errors import DataError
from tuneloop.recipes import Drift

NOW = datetime(2026, 11, 1, tzinfo=UTC)
WORDS = ("lamp", "parcel", "kettle", "refund", "bike", "solar")
CONFIG = Drift(min_window_rows=20, window_rows=40, p_value=0.01, min_effect=0.02, cooldown_hours=24)


class WordEmbedder:
    """A vector per known word and a little noise of the text's own: texts on one topic are near each other."""

    def __init__(self):
        self.calls = 0

    def embed(self, texts):
        self.calls += 1
        rows = np.array([self._row(text) for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def _row(self, text):
        noise = np.random.default_rng(abs(sum(map(ord, text)))).normal(scale=0.3, size=8)
        noise[:6] += [word in text for word in WORDS]
        return noise


def texts(words, count, start=0):
    return [f"{words[n % len(words)]} number {n}" for n in range(start, start + count)]


OLD = ("lamp", "parcel", "kettle", "refund")
NEW = ("bike", "solar")


class Watch:
    """The watch with everything in one folder."""

    def __init__(self, folder, config=CONFIG):
        self.log, self.state, self.config, self.embedder = (
            folder / "log.jsonl",
            folder / "s.json",
            config,
            WordEmbedder(),
        )
        self.announced, self.sent = [], 0

    def send(self, words, count):
        rows = texts(words, count, self.sent)
        append(self.log, [TrafficRow(f"t{self.sent + n}", "now", text, "", "m") for n, text in enumerate(rows)])
        self.sent += count

    def look(self, hours=0.0, announce=None, reference=None):
        return watch(
            reference_texts=texts(OLD, 200) if reference is None else reference,
            traffic_file=self.log,
            embedder=self.embedder,
            config=self.config,
            state_file=self.state,
            now=NOW + timedelta(hours=hours),
            announce=announce or self.announced.append,
        )


@pytest.fixture
def backend(tmp_path):
    return Watch(tmp_path)


def test_too_little_traffic_is_not_tested(backend):
    backend.send(NEW, 19)
    assert (backend.look().status, backend.look().window_rows, backend.embedder.calls) == ("no_traffic", 19, 0)


def test_traffic_as_usual_is_no_drift(backend):
    backend.send(OLD, 60)
    report = backend.look()
    assert (report.status, report.window_rows, report.reference_rows) == ("no_drift", 40, 200)
    assert backend.announced == []


def test_a_new_topic_is_drift_named_and_announced_once(backend):
    backend.send(NEW, 40)
    report = backend.look()
    assert report.status == "drift"
    assert report.p_value < 0.01
    assert report.nearest_terms == ["bike", "solar"]
    assert backend.announced == [report]
    assert backend.look().status == "no_traffic"
    assert backend.look(hours=48).status == "no_traffic"
    assert backend.announced == [report]


def test_the_last_drift_is_known_for_ever_and_its_rows_are_found_again(backend):
    assert last_drift(backend.state) is None
    backend.send(NEW, 50)
    report = backend.look()
    backend.send(OLD, 40)
    assert backend.look(hours=48).status == "no_drift"
    assert last_drift(backend.state) == report
    assert [row.id for row in read_window(backend.log, report.window_end, report.window_rows)] == [
        f"t{n}" for n in range(10, 50)
    ]


def test_new_traffic_after_a_drift_waits_for_the_cool_down(backend):
    backend.send(NEW, 40)
    backend.look()
    backend.send(NEW, 30)
    assert backend.look(hours=23).status == "cooling_down"
    report = backend.look(hours=24)
    assert (report.status, report.window_rows) == ("drift", 30)


def test_the_same_window_is_tested_once(backend):
    backend.send(OLD, 40)
    first = backend.look()
    calls = backend.embedder.calls
    assert backend.look() == first
    assert backend.embedder.calls == calls


def test_a_significant_but_small_shift_is_no_drift(tmp_path):
    backend = Watch(tmp_path, CONFIG.model_copy(update={"min_effect": 1.9}))
    backend.send(NEW, 40)
    report = backend.look()
    assert report.p_value < 0.01
    assert report.status == "no_drift"


def test_two_windows_of_different_rows_must_agree_where_the_recipe_says_so(tmp_path):
    backend = Watch(tmp_path, CONFIG.model_copy(update={"consecutive_windows": 2}))
    backend.send(NEW, 40)
    assert backend.look().status == "no_drift"
    backend.send(NEW, 10)
    assert backend.look().status == "no_traffic"
    backend.send(NEW, 10)
    assert backend.look().status == "drift"


def test_a_normal_window_in_between_starts_the_count_again(tmp_path):
    backend = Watch(tmp_path, CONFIG.model_copy(update={"consecutive_windows": 2}))
    statuses = []
    for words in (NEW, OLD, NEW, NEW):
        backend.send(words, 40)
        statuses.append(backend.look().status)
    assert statuses == ["no_drift", "no_drift", "no_drift", "drift"]


def test_an_announcement_that_failed_is_made_again_with_the_same_window(backend):
    tried = []

    def failing(report):
        tried.append(report)
        raise ConnectionError

    backend.send(NEW, 40)
    with pytest.raises(ConnectionError):
        backend.look(announce=failing)
    backend.send(NEW, 40)
    assert backend.look() == tried[0]
    assert backend.announced == tried
    assert backend.look().status == "cooling_down"


def test_the_state_holds_no_text_and_is_private(backend):
    backend.send(OLD, 40)
    backend.look()
    assert "number" not in backend.state.read_text()
    assert oct(backend.state.stat().st_mode & 0o777) == "0o600"


def test_too_small_a_reference_is_refused_with_advice(backend):
    backend.send(OLD, 40)
    with pytest.raises(DataError, match="20 are needed"):
        backend.look(reference=texts(OLD, 5))


def test_a_huge_reference_is_sampled(backend):
    backend.send(OLD, 40)
    assert backend.look(reference=texts(OLD, 3000)).reference_rows == 2000


def test_a_state_file_that_is_not_ours_is_named(backend):
    backend.state.write_text("[]")
    with pytest.raises(DataError, match="delete it"):
        backend.look()
