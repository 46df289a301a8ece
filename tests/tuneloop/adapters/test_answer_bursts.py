from tuneloop.adapters.answer_listener import RETRY_SECONDS, AnswerBursts


def bursts():
    return AnswerBursts(settle_seconds=3, spacing_seconds=120)


def test_hundreds_of_answers_are_one_piece_of_news_seconds_after_the_first():
    heard = bursts()
    for second in range(200):
        heard.add("desk", second / 100)
    assert heard.due(2.9) == {}
    assert heard.due(3.0) == {"desk": 200}


def test_what_comes_after_the_news_waits_for_the_spacing():
    heard = bursts()
    heard.add("desk", 0)
    heard.told("desk", 1, 3)
    assert heard.due(1000) == {}
    heard.add("desk", 10)
    heard.add("desk", 50)
    assert heard.due(122) == {}
    assert heard.due(123) == {"desk": 2}


def test_after_a_quiet_time_news_is_quick_again():
    heard = bursts()
    heard.add("desk", 0)
    heard.told("desk", 1, 3)
    heard.add("desk", 500)
    assert heard.due(503) == {"desk": 1}


def test_answers_that_come_while_the_news_is_on_its_way_are_not_lost():
    heard = bursts()
    heard.add("desk", 0)
    heard.add("desk", 3)  # between `due` and `told`
    heard.told("desk", 1, 4)
    assert heard.due(4 + 120) == {"desk": 1}


def test_news_that_nobody_took_are_told_again():
    heard = bursts()
    heard.add("desk", 0)
    heard.failed("desk", 5)
    assert heard.due(5 + RETRY_SECONDS - 0.1) == {}
    assert heard.due(5 + RETRY_SECONDS) == {"desk": 1}


def test_recipes_do_not_wait_for_each_other():
    heard = bursts()
    heard.add("desk", 0)
    heard.told("desk", 1, 3)
    heard.add("desk", 4)
    heard.add("faq", 4)
    assert heard.due(7) == {"faq": 1}
