import numpy as np
import pytest

from tuneloop.adapters.minilm import DIMENSIONS, MiniLM


@pytest.mark.slow
def test_near_meanings_have_near_vectors_of_unit_length():
    vectors = MiniLM().embed(["Where is my parcel?", "My package has not arrived", "The kettle leaks", ""])
    assert vectors.shape == (4, DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]


def test_no_texts_need_no_model():
    assert MiniLM().embed([]).shape == (0, DIMENSIONS)
