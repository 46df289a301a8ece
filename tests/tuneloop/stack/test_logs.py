from tuneloop.stack.logs import follow, last_lines


def test_the_last_lines_of_a_file(tmp_path):
    (tmp_path / "log").write_bytes(b"one\ntwo\n\xffthree\n")
    assert last_lines(tmp_path / "log", 2) == ["two", "�three"]


def test_no_file_has_no_lines(tmp_path):
    assert last_lines(tmp_path / "log", 2) == []


def append(path, text):
    with path.open("a") as handle:
        handle.write(text)


def test_following_shows_only_new_lines_and_goes_on_in_the_new_file_after_rotation(tmp_path):
    path = tmp_path / "log"
    path.write_text("old\n")
    lines = follow({"mlflow": path}, pause_seconds=0.0)
    append(path, "new\n")
    assert next(lines) == ("mlflow", "new")
    path.rename(tmp_path / "log.1")
    path.write_text("after rotation\n")
    assert next(lines) == ("mlflow", "after rotation")


def test_a_log_that_does_not_exist_yet_is_picked_up(tmp_path):
    path = tmp_path / "log"
    lines = follow({"mlflow": path}, pause_seconds=0.0)
    path.write_text("first\n")
    assert next(lines) == ("mlflow", "first")
