"""Pages that speak, against Python: what they hear, what they make of it, and what a visitor does."""

import base64
import io
import wave

import numpy as np
import pytest
import torch

from avatar3d.head.store import load_head
from driver.channels import NUM_CHANNELS
from driver.conditions import USUAL, conditions
from driver.features import NUM_FEATURES, RATE, as_mono16k, features, num_frames
from driver.lips import lips_of
from driver.onnx_export import portable
from driver.sample import generate
from driver.stream import Stream, frame_noise
from driver.weights import load_weights
from tests.viewer.web.conftest import performing
from tests.viewer.web.shown import until
from viewer.export.packed import Packed
from viewer.export.web import export_web

SENTENCE = "My mother baked a big apple pie, and we waited for the bus all afternoon. Above everything, be happy."
_NUMBERS = """const numbers = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const text = (values) => {
  let out = "";
  for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) out += String.fromCharCode(byte);
  return btoa(out);
};
await window.avatar3d.ready;
const { driver } = window.avatar3d.speech;
await driver.load();
"""
_FEATURES = f"""async (sound) => {{
  {_NUMBERS}
  return text((await driver.ask({{ type: "features", sound: numbers(sound) }}, "features")).rows);
}}"""
_MOTION = f"""async ([sound, noise, way]) => {{
  {_NUMBERS}
  const parts = [];
  await driver.ask({{ type: "speak", sound: numbers(sound), seed: 0, steps: 4, noise: noise && numbers(noise), way }}, "spoken", ({{ frames }}) => {{
    parts.push(text(frames));
  }});
  return parts;
}}"""
_MICROPHONE = """navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  const bytes = Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0));
  const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(bytes.buffer), loop: true });
  const end = context.createMediaStreamDestination();
  source.connect(end);
  source.start();
  return end.stream;
};"""


_RESAMPLED = f"""async ([sound, from, piece]) => {{
  {_NUMBERS}
  return text((await driver.ask({{ type: "resample", sound: numbers(sound), from, piece }}, "resampled")).sound);
}}"""


@pytest.fixture(scope="module")
def net():
    return load_weights()


@pytest.fixture(scope="module")
def driver_part(net) -> Packed:
    """The whole driver, its weights as they ship."""
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    made = portable(net, load_head())
    return Packed(made.header, dict(made.arrays))


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    """A spoken sentence, 16 kHz."""
    pytest.importorskip("espeakng_loader", reason="the extra tts is not installed")
    from driver.speech import synthesize

    return as_mono16k(synthesize(SENTENCE).sound, RATE)


@pytest.fixture(scope="module")
def address(person, driver_part, serve, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("speaking") / "page"
    export_web(person, None, folder, driver=driver_part)
    return f"{serve(folder)}/index.html"


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, np.float32).tobytes()).decode()


def _numbers(text: str, width: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(-1, width)


def _speaking(shown):
    until(lambda: shown.page.evaluate("window.avatar3d.speech !== undefined"))
    return shown


def _motion(shown, sound: np.ndarray, noise: np.ndarray | None = None, way: str = "file") -> np.ndarray:
    """Frames [T, NUM_CHANNELS] that the page makes of a 16 kHz sound."""
    pieces = _speaking(shown).page.evaluate(_MOTION, [_text(sound), None if noise is None else _text(noise), way])
    return np.concatenate([_numbers(piece, NUM_CHANNELS) for piece in pieces])


def _lip_error(made: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How far each lip vertex is off, millimetres."""
    off = torch.from_numpy(made - expected) @ lips_of(load_head()).basis
    return off.unflatten(1, (-1, 3)).norm(dim=-1).numpy()


def _wav(sound: np.ndarray, rate: int = RATE) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return stream.getvalue()


def test_a_page_hears_what_python_hears(address, show, recording):
    seen = _numbers(_speaking(show(address)).page.evaluate(_FEATURES, _text(recording)), NUM_FEATURES)
    expected = features(recording)[: len(seen)]
    assert len(seen) == len(recording) // 640
    # Where a window is all but silent, float32's rounding of its few loud bins is heard in the others.
    assert np.quantile(np.abs(seen - expected), 0.999) < 1e-3
    assert np.corrcoef(seen.ravel(), expected.ravel())[0, 1] > 0.99999
    assert np.abs(seen - expected)[:, -2:].mean() < 1e-3


@pytest.mark.parametrize("rate", [48000, 44100, 8000])
def test_a_microphone_of_any_rate_is_brought_to_ours(address, show, rate):
    """A tone of 1 kHz stays as it is, one of 9 kHz is beyond half of our rate and goes."""
    time, wanted = np.arange(rate) / rate, np.arange(RATE) / RATE
    tones = np.sin(2 * np.pi * 1000 * time) + (np.sin(2 * np.pi * 9000 * time) if rate > 2 * 9000 else 0)
    seen = _numbers(_speaking(show(address)).page.evaluate(_RESAMPLED, [_text(tones), rate, 128]), 1)[:, 0]
    assert RATE - 100 < len(seen) <= RATE
    middle = slice(200, len(seen) - 200)
    assert np.abs(seen[middle] - np.sin(2 * np.pi * 1000 * wanted)[: len(seen)][middle]).max() < 0.01


def test_a_page_moves_as_python_moves(address, show, recording, net):
    noise = frame_noise(0, 0, num_frames(len(recording)) + 200)
    made = _motion(show(address), recording, noise)
    expected = np.concatenate(list(generate(recording, net, lips_of(load_head()))))
    assert made.shape == expected.shape
    error = _lip_error(made, expected)
    assert error.mean() < 0.01 and error.max() < 0.5
    assert np.abs(made - expected).mean() < 1e-3


def test_a_live_page_moves_as_a_live_python(address, show, recording, net):
    sound = recording[: 4 * RATE]
    usual = conditions(1, {**USUAL, "style": net.usual_style})
    stream = Stream(net, lips_of(load_head()), asking=lambda first, last: usual.expand(last - first, -1))
    expected = np.concatenate([stream.push(sound), stream.finish()])
    made = _motion(show(address), sound, frame_noise(0, 0, len(expected) + 50), "live")
    assert made.shape == expected.shape
    error = _lip_error(made, expected)
    assert error.mean() < 0.01 and error.max() < 0.2


def test_a_seed_is_a_motion(address, show, recording):
    shown = show(address)
    first, again = (_motion(shown, recording[: 3 * RATE]) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def _give_file(shown, content: bytes, name: str = "talk.wav") -> None:
    # Again and again: seconds of sound may be over before a busy machine is asked about them.
    _speaking(shown).evaluate("(player.clock.loop = true)")
    shown.page.set_input_files("#sound-file", {"name": name, "mimeType": "audio/wav", "buffer": content})


def _check_it_speaks(shown, seconds: float) -> None:
    """The head moves its jaw with the sound until it ends."""
    shown.wait("player.clock.playing && player.clock.time > 0.5")
    playing, time, sound = shown.evaluate("[player.clock.playing, player.clock.time, player.clock.sound.currentTime]")
    assert not playing or abs(time - sound) < 0.05
    shown.wait("player.performance.motion.made * 0.04 >= player.clock.duration - 0.041")
    assert shown.evaluate("player.clock.duration") == pytest.approx(seconds, abs=0.01)
    jaw = shown.evaluate("Array.from({ length: 50 }, (_, i) => player.performance.motion.at(0.04 * i).jaw_pose[0])")
    assert max(jaw) - min(jaw) > 0.01
    shown.evaluate("(player.clock.loop = false)")
    shown.wait("!player.clock.playing && !player.clock.started")


def test_a_page_speaks_a_file_with_the_sound_in_step_and_asks_nobody(address, show, recording):
    shown = show(address)
    assert not any(request.endswith(("driver.bin", "runtime.bin")) for request in shown.requests)
    # Any rate, 3 s.
    _give_file(shown, _wav(recording[: 3 * RATE : 2], RATE // 2))
    _check_it_speaks(shown, 3)
    assert all(request.startswith((address.rsplit("/", 1)[0], "blob:", "data:")) for request in shown.requests)


def test_a_single_file_speaks_from_disk(person, driver_part, show, recording, tmp_path):
    export_web(person, performing(10), tmp_path / "page.html", driver=driver_part)
    shown = show((tmp_path / "page.html").as_uri())
    _give_file(shown, _wav(recording[: 3 * RATE]))
    _check_it_speaks(shown, 3)


def test_a_dropped_file_is_spoken(address, show, recording):
    shown = _speaking(show(f"{address}?loop=1"))
    drop = """(text) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], "talk.wav", { type: "audio/wav" }));
      window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    }"""
    shown.page.evaluate(drop, base64.b64encode(_wav(recording[: 2 * RATE])).decode())
    shown.wait("player.clock.playing && player.performance.motion.made > 0")


def test_what_cannot_be_decoded_is_said_on_the_page(address, show):
    shown = show(address)
    _give_file(shown, b"no sound at all", "notes.wav")
    until(lambda: "notes.wav: this browser cannot decode it" in shown.page.inner_text("#speech-status"))
    assert shown.evaluate("player.performance.motion") is None


def test_without_a_microphone_the_page_says_so(address, show):
    shown = _speaking(show(address, "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); };"))
    shown.page.evaluate("document.getElementById('microphone').click()")
    until(lambda: shown.page.inner_text("#speech-status") == "there is no microphone on this machine")
    assert shown.page.get_attribute("#microphone", "aria-pressed") == "false"


def test_the_head_follows_the_microphone(address, show, recording):
    """The recording again and again, in a microphone's place."""
    shown = _speaking(show(address, _MICROPHONE % base64.b64encode(_wav(recording)).decode(), size=(700, 400)))
    shown.page.click("#microphone")
    until(lambda: (shown.page.evaluate("window.avatar3d.speech.live?.made") or 0) > 50)
    assert shown.page.get_attribute("#microphone", "aria-pressed") == "true"
    jaw = "window.avatar3d.performance.live.at(performance.now() / 1000).jaw_pose[0]"
    shown.page.evaluate(f"window.jaws = []; window.watch = setInterval(() => window.jaws.push({jaw}), 40)")
    until(lambda: shown.page.evaluate("window.jaws.length") > 60)
    jaws = shown.page.evaluate("clearInterval(window.watch), window.jaws")
    assert max(jaws) - min(jaws) > 0.01
    shown.page.click("#microphone")
    assert shown.evaluate("player.performance.live") is None
    assert shown.page.get_attribute("#microphone", "aria-pressed") == "false"
