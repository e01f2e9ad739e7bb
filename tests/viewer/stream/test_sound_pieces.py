import av
import numpy as np
import pytest

from viewer.stream.sound_pieces import OPUS_DELAY, SoundPieces


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_pieces_of_any_cut_are_the_same(rate):
    sound = np.random.default_rng(0).normal(size=rate).astype(np.float32) * 0.1
    whole = SoundPieces(rate).push(sound)
    cutter = SoundPieces(rate)
    cut = [piece for start in range(0, rate, 777) for piece in cutter.push(sound[start : start + 777])]
    assert len(whole) == 25 and cut == whole
    raw = np.frombuffer(b"".join(raw for raw, _ in whole), "<i2") / 32767
    np.testing.assert_allclose(raw, sound, atol=1 / 32767)


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_a_decoder_hears_them_as_late_as_is_said(rate):
    rng = np.random.default_rng(1)
    # Noise below 4 kHz: what was sent is found again at one shift alone.
    sound = np.convolve(rng.normal(size=2 * rate), np.hanning(8) / 4, "same").astype(np.float32) * 0.2
    decoder = av.AudioCodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    decoder.open()
    heard = np.concatenate(
        [frame.to_ndarray().reshape(-1) for _, packet in SoundPieces(rate).push(sound) for frame in decoder.decode(av.Packet(packet))]
    )
    assert len(heard) == 2 * 48_000
    sent = np.interp(np.arange(len(heard)) / 48_000, np.arange(len(sound)) / rate, sound)
    part = slice(40_000, 60_000)
    shift = max(range(1000), key=lambda shift: float(heard[part.start + shift : part.stop + shift].astype(np.float64) @ sent[part]))
    assert shift / 48_000 == pytest.approx(OPUS_DELAY, abs=1e-3)


def test_speech_costs_about_24_kbit_a_second():
    sound = np.random.default_rng(0).normal(size=5 * 24_000).astype(np.float32) * 0.1
    packets = SoundPieces(24_000).push(sound)
    assert sum(len(opus) for _, opus in packets) * 8 / 5 < 40_000
