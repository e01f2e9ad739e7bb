import json

import pytest

from avatar3d.data import data_path
from avatar3d.errors import UserError
from driver.model_card import Training, write_card
from driver.weights import save_weights

TRAINING = Training(
    steps=120, seed=3, hours=0.5, batch=32, rate=1e-3, minutes=4.0, device="cuda", ranks=2, recordings="LIBRISPEECH", captures=("anna", "bob"),
    capture_minutes=6.5, capture_share=0.25, start="driver.safetensors",
)  # fmt: skip


@pytest.fixture
def weights(tmp_path, head, tiny_net):
    path = tmp_path / "mine.safetensors"
    save_weights(path, tiny_net.state_dict(), tiny_net.config, head, TRAINING.line, training=TRAINING.to_json())
    return path


def test_training_survives_the_header():
    assert Training.from_json(TRAINING.to_json()) == TRAINING
    assert Training.from_json(json.dumps({**json.loads(TRAINING.to_json()), "of_a_later_version": 1})) == TRAINING
    with pytest.raises(TypeError):
        Training.from_json("{}")


def test_the_line_names_all_sources():
    line = TRAINING.line
    assert line == (
        "driver.train, seed 3, 120 steps on 0.5 h of espeak-ng speech and the recordings of LIBRISPEECH and 6.5 min of anna, bob, "
        "begun from driver.safetensors"
    )


def test_a_card_says_data_licence_command_and_sizes(weights, head, tiny_net):
    path = write_card(weights)
    assert path == weights.with_suffix(".md")
    text = path.read_text()
    for said in (
        head.fingerprint, "Apache-2.0", "as far as these agree", "--captures anna bob --captures-share 0.25", "--minutes 4", "2 processes on cuda",
        "6.5 minutes in anna, bob", "25% of the windows", "begun from driver.safetensors", "2 layers, width 32", "Not measured yet",
    ):  # fmt: skip
        assert said in text, said
    assert f"{sum(v.numel() for v in tiny_net.state_dict().values()) / 1e6:.1f} million parameters" in text


def test_its_parts_are_those_of_the_shipped_card(weights):
    def parts(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("## ") or line.startswith("What falls short")]

    shipped = [line.split(":")[0] for line in parts(data_path("driver", "README.md").read_text())]
    assert [line.split(":")[0] for line in parts(write_card(weights).read_text())] == shipped


def test_measured_figures_become_tables(weights, tmp_path):
    figures = tmp_path / "figures.json"
    rows = {"driver, 4 steps": {"lve_mm": [1.28, 1.1, 1.4], "jaw_r": 0.92}, "mean face": {"lve_mm": [3.76, 3.5, 4.0]}}
    figures.write_text(json.dumps({"figures": {"seam_ratio": 1.0812}, "generated speech": rows}))
    text = write_card(weights, figures).read_text()
    assert "| seam_ratio | 1.08 |" in text
    assert "| | driver, 4 steps | mean face |\n|---|---|---|\n| lve_mm | 1.28 (1.1 to 1.4) | 3.76 (3.5 to 4) |\n| jaw_r | 0.92 | - |" in text
    assert "Not measured yet" not in text


def test_files_of_another_kind_are_refused(weights, tmp_path, head, tiny_net):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[]")
    with pytest.raises(UserError, match=r"wrong\.json: holds no figures"):
        write_card(weights, wrong)
    wrong.write_text("{")
    with pytest.raises(UserError, match="is not what"):
        write_card(weights, wrong)
    silent = tmp_path / "silent.safetensors"
    save_weights(silent, tiny_net.state_dict(), tiny_net.config, head, "a test")
    with pytest.raises(UserError, match="says how it was trained"):
        write_card(silent)
    with pytest.raises(UserError, match="says how it was trained"):
        write_card(wrong)
