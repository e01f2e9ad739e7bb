"""Reading video of every make at a constant rate, upright, in the right colours."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar3d.errors import UserError
from avatar3d.sound import write_wav
from recon.crop import Crop
from recon.video import probe, read_aligned_sound, read_frames, sample_frames
from tests.recon.tiny_video import number, numbered, write_video

FRAMES = [numbered(i) for i in range(12)]


def numbers(path: Path, fps: Fraction | None = None) -> list[int]:
    return [number(frame) for frame in read_frames(path, fps)]


def test_constant_rate_gives_every_frame_once(tmp_path):
    video = write_video(tmp_path / "a.mp4", FRAMES)
    assert numbers(video) == list(range(12))
    assert probe(video).fps == 25


def test_variable_rate_gives_the_frame_nearest_in_time(tmp_path):
    times = [Fraction(n, 1000) for n in (0, 40, 80, 120, 160, 320, 360, 400, 421, 441, 480, 520)]
    shown = numbers(write_video(tmp_path / "a.mp4", FRAMES, times=times), Fraction(25))
    expected = [min(range(12), key=lambda k: abs(times[k] - Fraction(i, 25))) for i in range(14)]
    assert shown == expected


def test_other_rate_skips_and_repeats(tmp_path):
    video = write_video(tmp_path / "a.mp4", FRAMES)
    assert numbers(video, Fraction(50)) == [i for i in range(12) for _ in range(2)]
    assert numbers(video, Fraction(25, 2)) == [0, 2, 4, 6, 8, 10]


def test_coarse_time_stamps_do_not_change_the_rate(tmp_path):
    # Matroska counts milliseconds: 33, 67, 100 for 30000/1001.
    times = [Fraction(round(i * 1001 / 30), 1000) for i in range(12)]
    video = write_video(tmp_path / "a.mkv", FRAMES, times=times, fps=30)
    assert numbers(video, Fraction(30000, 1001)) == list(range(12))


@pytest.mark.parametrize(
    ("degrees", "white", "red"), [(0, (0, 0), (0, -1)), (90, (-1, 0), (0, 0)), (180, (-1, -1), (-1, 0)), (-90, (0, -1), (-1, -1))]
)
def test_rotation_metadata_turns_the_picture(tmp_path, degrees, white, red):
    video = write_video(tmp_path / "a.mp4", FRAMES[:2], setup=lambda stream: stream.set_display_rotation(degrees) if degrees else None)
    frame = next(read_frames(video))
    assert frame.shape[:2] == ((64, 48) if degrees % 180 else (48, 64))
    assert (probe(video).height, probe(video).width) == frame.shape[:2]
    corner = frame[[3, -4]][:, [3, -4]]
    assert corner[white].min() > 240
    assert corner[red][0] > 230 and corner[red][1] < 30


def test_mirrored_picture_is_mirrored_back(tmp_path):
    video = write_video(tmp_path / "a.mp4", FRAMES[:2], setup=lambda stream: stream.set_display_rotation(0, hflip=True))
    frame = next(read_frames(video))
    assert frame[3, -4].min() > 240 and frame[3, 3][1] < 30


@pytest.mark.parametrize("size", [(64, 720), (64, 48)])
def test_untagged_colours_follow_the_number_of_lines(tmp_path, size):
    colour = np.array([180, 60, 40], np.uint8)
    frames = [np.broadcast_to(colour, (size[1], size[0], 3)).copy()] * 2
    matrix = 1 if size[1] >= 720 else 5
    frame = next(read_frames(write_video(tmp_path / "a.mp4", frames, matrix=matrix)))
    assert np.abs(frame[20, 20].astype(int) - colour).max() <= 4


def test_colour_tags_are_honoured(tmp_path):
    colour = np.array([180, 60, 40], np.uint8)

    def tag(stream):
        stream.codec_context.colorspace = 1

    def change(frame):
        frame.colorspace = 1

    frames = [np.broadcast_to(colour, (48, 64, 3)).copy()] * 2
    frame = next(read_frames(write_video(tmp_path / "a.mp4", frames, matrix=1, setup=tag, change=change)))
    assert np.abs(frame[20, 20].astype(int) - colour).max() <= 4


def test_full_range_is_honoured(tmp_path):
    frames = [np.full((48, 64, 3), 100, np.uint8)] * 2
    frame = next(read_frames(write_video(tmp_path / "a.avi", frames, codec="mjpeg", pix_fmt="yuvj420p")))
    assert np.abs(frame[20, 20].astype(int) - 100).max() <= 3


def test_interlaced_video_loses_its_comb(tmp_path):
    # The two fields of each frame show a bar at two places, as a moving bar does.
    frames = []
    for i in range(6):
        frame = np.zeros((96, 128, 3), np.uint8)
        frame[0::2, 10 + 12 * i : 34 + 12 * i] = 255
        frame[1::2, 16 + 12 * i : 40 + 12 * i] = 255
        frames.append(frame)

    def setup(stream):
        stream.codec_context.options = {"flags": "+ildct+ilme", "x264-params": "tff=1", "qp": "0"}

    video = write_video(tmp_path / "a.mp4", frames, setup=setup)
    read = list(read_frames(video))
    assert probe(video).interlaced
    assert len(read) == 6

    def comb(frame):
        grey = frame[..., 1].astype(float)
        return np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean()

    assert comb(read[3]) < 0.3 * comb(frames[3])


@pytest.mark.parametrize("turn", [None, (90, False), (180, False), (-90, False), (0, True), (90, True)])
@pytest.mark.parametrize("crop", [Crop(20, 8, 60, 30), Crop(10, 16, 40, 64), Crop(8, 4, 32, 32), Crop(21, 9, 60, 30), Crop(-10, 4, 80, 40)])
def test_window_shows_what_the_whole_frame_shows_there(tmp_path, turn, crop):
    rng = np.random.default_rng(0)
    frame = np.clip((cv2.GaussianBlur(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8), (0, 0), 4).astype(float) - 128) * 5 + 128, 0, 255)
    setup = None if turn is None else lambda stream: stream.set_display_rotation(turn[0], hflip=turn[1])
    video = write_video(tmp_path / "a.mp4", [frame.astype(np.uint8)] * 2, setup=setup)
    whole, window = next(read_frames(video)), next(read_frames(video, crop=crop))
    assert window.shape == (crop.size, crop.size, 3)
    assert np.abs(window.astype(int) - crop.cut(whole)).mean() < 1.2


def test_greys_are_not_darkened(tmp_path):
    grey = np.repeat(np.arange(16, 240, 2, dtype=np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    video = write_video(tmp_path / "a.mp4", [grey] * 2, options={"crf": "1"})
    assert abs((next(read_frames(video)).astype(float) - grey).mean()) < 0.3


def test_odd_sizes_stay(tmp_path):
    video = write_video(tmp_path / "a.mp4", [numbered(i, (63, 47)) for i in range(3)], pix_fmt="yuv444p")
    assert [frame.shape for frame in read_frames(video)] == [(47, 63, 3)] * 3


def test_wide_pixels_become_square(tmp_path):
    def setup(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    video = write_video(tmp_path / "a.mp4", FRAMES[:2], setup=setup)
    assert next(read_frames(video)).shape == (48, 85, 3)


def test_one_frame_is_a_video_here(tmp_path):
    assert numbers(write_video(tmp_path / "a.mp4", FRAMES[3:4])) == [3]


def test_samples_are_spread_over_the_video(tmp_path):
    video = write_video(tmp_path / "a.mp4", FRAMES)
    assert [number(frame) for frame in sample_frames(video, 4)] == [0, 3, 6, 9]


def test_long_video_is_sought_through(tmp_path, monkeypatch):
    monkeypatch.setattr("recon.video._SEEK_SECONDS", 0)
    video = write_video(tmp_path / "a.mp4", FRAMES, setup=lambda stream: setattr(stream, "gop_size", 1))
    shown = [number(frame) for frame in sample_frames(video, 4)]
    assert np.abs(np.array(shown) - [0, 3, 6, 9]).max() <= 1


def click(at: float, seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    sound = np.zeros(round(seconds * rate), np.float32)
    sound[round(at * rate) :][:160] = 0.8 * np.sin(np.arange(160))
    return sound


@pytest.mark.parametrize(("video_start", "sound_start"), [(0, 0), (23, 0), (0, 100), (200, 40)])
def test_sound_is_aligned_with_the_first_frame(tmp_path, video_start, sound_start):
    times = [Fraction(video_start, 1000) + Fraction(i, 25) for i in range(12)]
    video = write_video(tmp_path / "a.mp4", FRAMES, times=times, sound=click(0.3), sound_start=Fraction(sound_start, 1000))
    aligned = read_aligned_sound(video)
    assert aligned is not None
    heard = np.argmax(np.abs(aligned) > 0.3) / 16000
    assert heard == pytest.approx(0.3 + (sound_start - video_start) / 1000, abs=0.002)


def test_silent_video_has_no_sound(tmp_path):
    assert read_aligned_sound(write_video(tmp_path / "a.mp4", FRAMES[:2])) is None


def test_truncated_video_keeps_its_first_part(tmp_path):
    rng = np.random.default_rng(0)
    frames = [np.clip(numbered(i % 12) + rng.integers(-60, 60, (48, 64, 3)), 0, 255).astype(np.uint8) for i in range(48)]
    whole = write_video(tmp_path / "a.mp4", frames, options={"movflags": "+faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.warns(UserWarning, match=r"cut\.mp4"):
        assert 8 <= len(list(read_frames(cut))) < 48


def text_file(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("This is no video.\n" * 100)
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def sound_file(folder: Path) -> Path:
    write_wav(folder / "sound.wav", click(0.1), 16000)
    return folder / "sound.wav"


def plain_text(folder: Path) -> Path:
    path = folder / "letter.txt"
    path.write_text("Dear reader,\n" * 100)
    return path


def headless(folder: Path) -> Path:
    path = write_video(folder / "a.mp4", FRAMES)
    (folder / "headless.mp4").write_bytes(path.read_bytes()[:600])
    return folder / "headless.mp4"


@pytest.mark.parametrize("make", [text_file, empty_file, sound_file, plain_text, headless, lambda folder: folder, lambda folder: folder / "none.mp4"])
@pytest.mark.parametrize("read", [probe, lambda path: next(read_frames(path))])
def test_what_is_no_video_is_refused_in_one_line(tmp_path, make, read):
    path = make(tmp_path)
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and ";" in message


def test_shared_clips_are_read_whole(shared_data):
    a = probe(shared_data / "video" / "obama_weekly_A_720p.mp4")
    assert (a.width, a.height, a.fps, a.matrix) == (1280, 720, Fraction(30000, 1001), "ITU709")
    assert a.sound_offset == Fraction(23, 1000)
    b = shared_data / "video" / "weekly_address_256p_30s.mp4"
    assert probe(b).matrix == "ITU601"
    assert sum(1 for _ in read_frames(b)) == 902
