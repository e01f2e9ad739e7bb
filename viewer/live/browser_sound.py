"""The sound of a motion in a browser: an <audio> element that is led to where the player is.

viser has no audio element, and Python cannot read the element's clock. But the event handlers of HTML that is put into the panel do
run. So there are two pieces of HTML for each browser: the sound itself, sent once a motion; and a conductor, an image that
cannot be loaded and whose `onerror` tells the sound where it should be. It is replaced with every change, and once a second
besides: whoever is out of step by more than is heard is put right, and a browser that had to be clicked first comes in late.
"""

import base64
import io
import wave

import numpy as np
import viser

from avatar3d.motion import Motion

OFF = 0.12
"""Seconds between sound and motion that are put right: a jump is heard, a smaller difference between lips and sound is hardly seen."""
FURTHEST = 0.4
"""Seconds that a sound is set ahead at most."""
LONGEST = 15 * 60
"""Seconds of sound that are sent to a browser; the rest of a longer motion is silent there."""


class BrowserSound:
    """One browser's audio element.

    Args:
        client: viser's handle.
    """

    def __init__(self, client: viser.ClientHandle) -> None:
        self._sound = client.gui.add_html("", order=-2.0)
        self._conductor = client.gui.add_html("", order=-1.0)
        self._name = f"avatar3d-sound-{client.client_id}"
        self._count = 0

    def load(self, motion: Motion) -> None:
        """Another motion's sound, or none."""
        self._conductor.content = ""
        self._sound.content = audio_html(self._name, motion)

    def conduct(self, position: float, playing: bool, speed: float, loop: bool) -> None:
        """Where the sound should be now, seconds, whether it is heard, and whether it begins again at its end."""
        # What equals the content that is there is not run again.
        self._count += 1
        self._conductor.content = conductor_html(self._name, position, playing, speed, loop, self._count)


def audio_html(name: str, motion: Motion) -> str:
    """The sound of a motion as HTML, with a line that asks for a click where a browser needs one; empty where there is no sound."""
    if motion.sound is None or motion.sound_rate <= 0 or not len(motion.sound):
        return ""
    # As long as the motion, so that both begin again together.
    samples = np.zeros(min(round(motion.duration * motion.sound_rate), LONGEST * motion.sound_rate), np.float32)
    heard = motion.sound[: len(samples)]
    samples[: len(heard)] = heard
    sound = base64.b64encode(wav_bytes(samples, motion.sound_rate)).decode()
    asks = "Click anywhere in the page once, and the sound is heard."
    return (
        f'<audio id="{name}" preload="auto" src="data:audio/wav;base64,{sound}"></audio><div id="{name}-asks" hidden style="{_ASKING}">{asks}</div>'
    )


_ASKING = "margin:0.5em 1em;padding:0.4em 0.6em;background:#fff3cd;color:#664d03;border-radius:4px;font-size:0.85em"


def conductor_html(name: str, position: float, playing: bool, speed: float, loop: bool, count: int) -> str:
    """HTML that brings the audio element `name` to `position` seconds, negative ones a while later; `count` makes it another text each time.

    A sound that is put right while it plays comes late again by what its browser takes to begin: it is set so much ahead (`lead`).
    """
    asks = f"document.getElementById('{name}-asks')"
    script = f"clearTimeout(window.soon);const a=document.getElementById('{name}');if(a){{a.playbackRate={speed:.3f};a.loop={str(loop).lower()};"
    if playing:
        script += (
            f"const t={position:.4f};let d=t-a.currentTime;if(a.loop)d-=a.duration*Math.round(d/a.duration);const off=Math.abs(d)>{OFF};"
            f"if(a.paused){{if(off||!a.ended){{a.currentTime=Math.max(t,0);window.soon=setTimeout(()=>a.play().then("
            f"()=>{{{asks}.hidden=true}},()=>{{{asks}.hidden=false}}),Math.max(-t/a.playbackRate,0)*1000)}}}}"
            f"else if(off){{window.lead=Math.min(Math.max((window.lead||0)+d,0),{FURTHEST});a.currentTime=Math.max(t+window.lead,0)}}"
        )
    else:
        script += f"a.pause();a.currentTime={max(position, 0.0):.4f}"
    return f'<img src="data:," alt="" style="display:none" onerror="{script}}}/*{count}*/">'


def wav_bytes(samples: np.ndarray, rate: int) -> bytes:
    """A WAV file of 16-bit mono; what exceeds -1..1 is clipped."""
    integers = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    packed = io.BytesIO()
    with wave.open(packed, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(integers.tobytes())
    return packed.getvalue()
