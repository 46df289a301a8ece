from tuneloop.drift.detection import nearest_terms

USUAL = ["my lamp is broken", "where is my parcel", "the kettle leaks", "please cancel my order"] * 10


def test_new_words_are_named_and_usual_ones_are_not():
    window = ["the battery of my bike", "bike battery is hot", "battery for the bike please", "my bike battery"]
    assert nearest_terms(USUAL, window) == ["battery", "bike"]


def test_a_word_of_one_message_does_not_show_through():
    assert nearest_terms(USUAL, ["turquoise " * 9, "my lamp", "my parcel"]) == []


def test_what_may_name_a_person_is_left_out():
    window = [
        f"hello, this is Alice Fenwick, alice@fenwick.example, +44 7700 90012{n}, https://fenwick.example/x bike"
        for n in range(5)
    ]
    assert set(nearest_terms(USUAL, window)) <= {"hello", "bike", "this"}


def test_the_strongest_come_first_and_no_more_than_asked_for():
    window = ["solar bike kit"] * 3 + ["solar kit"] * 3 + ["solar"] * 3
    assert nearest_terms(USUAL, window, top=2) == ["solar", "kit"]


def test_a_word_counts_at_the_start_of_a_sentence_too():
    assert nearest_terms(USUAL, ["Batteries leak. Batteries smell."] * 4 + ["my batteries"] * 4)[0] == "batteries"
