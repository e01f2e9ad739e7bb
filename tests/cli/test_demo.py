"""The demo refuses at once what it could only fail at after minutes of work."""

import pytest


def test_words_that_cannot_be_said_are_refused_first(refused, tmp_path):
    pytest.importorskip("espeakng_loader")
    refused("demo", "--text", " ", "-o", tmp_path / "out", match=("the text is empty",))
    assert not (tmp_path / "out" / "demo.capture").exists()


def test_an_output_below_a_file_is_refused_first(refused, tmp_path):
    (tmp_path / "file").write_text("precious")
    refused("demo", "-o", tmp_path / "file", match=("cannot make the folder",))
    assert (tmp_path / "file").read_text() == "precious"
