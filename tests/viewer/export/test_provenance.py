from dataclasses import replace

from avatar3d.mp4 import SYNTHETIC
from tests.avatar3d.tiny import tiny_avatar
from viewer.export.provenance import ascii_lines, provenance


def test_a_film_says_what_videos_say():
    facts = provenance(tiny_avatar())
    assert facts.synthetic == SYNTHETIC and facts.title == "avatar3d: nobody"
    assert facts.sentence == f"{SYNTHETIC} Subject: nobody. Consent: not recorded."


def test_other_files_call_themselves_what_they_are():
    assert provenance(tiny_avatar(), "scene").synthetic.startswith("Synthetic scene")


def test_several_people_are_all_named():
    avatars = [replace(tiny_avatar(), metadata={"subject": name, "consent": "yes"}) for name in ("Anna", "Bob")]
    facts = provenance(avatars)
    assert (facts.subject, facts.consent) == ("Anna, Bob", "yes, yes")


def test_nothing_known_is_said_so():
    facts = provenance(replace(tiny_avatar(), metadata={}))
    assert (facts.subject, facts.consent, facts.licence) == ("a captured person", "not recorded", "not recorded")


def test_a_name_cannot_break_out_of_its_line():
    facts = provenance(replace(tiny_avatar(), metadata={"subject": "Zoë\nelement vertex 9"}))
    lines = ascii_lines(facts.fields())
    assert "subject: Zo\\xeb element vertex 9" in lines and all(line.isascii() and "\n" not in line for line in lines)
