import itertools

from driver.phones import VISEMES, segments, visemes_of
from driver.speech import Phone


def test_known_sounds():
    assert visemes_of("p") == ("pbm",)
    assert visemes_of("ˈiː") == ("iy",)
    assert visemes_of("tʃ") == ("sh",)


def test_diphthongs_have_two_shapes():
    assert visemes_of("ˈaɪ") == ("aa", "ih")
    assert visemes_of("oʊ") == ("ow", "uh")


def test_marks_alone_have_no_shape():
    assert visemes_of("(en)") == ()


def test_only_the_lips_of_pbm_must_meet():
    assert [name for name, viseme in VISEMES.items() if viseme.close] == ["pbm"]


def test_segments_tile_the_time():
    phones = (Phone("", 0, 0.1), Phone("ˈaɪ", 0.1, 0.3), Phone("(de)", 0.3, 0.35), Phone("m", 0.35, 0.4), Phone("p", 0.4, 0.5), Phone("", 0.5, 0.7))
    found = segments(phones)
    assert found[0].start == 0
    assert found[-1].end == 0.7
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    assert [s.viseme for s in found] == ["sil", "aa", "ih", "pbm", "sil"]


def test_stressed_vowels_are_stronger():
    weak, strong = segments((Phone("æ", 0, 0.1), Phone("ˈæ", 0.1, 0.2)))
    assert weak.stress < 1 < strong.stress
