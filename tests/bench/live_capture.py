"""How soon a head shows while somebody is filmed, and how sharp it is when: a video is played in real time as the camera.

    python -m tests.bench.live_capture VIDEO [-o live_capture.png] [--settle 100]

Prints seconds from the first picture to the first avatar, and PSNR on the video's last fifth, which nothing is learned from, of
every fifth second's avatar; writes the curve. All are driven by the final tracking of the capture. Those from before it was there know another
camera, identity and place of the shoulders, which costs them most of the full frame's PSNR: how they look on the page, posed by their
own tracking, is told by the frames that are learned from. A video that ends sooner is not
played again: the fit goes on with what was filmed.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tyro.conf import Positional, arg

from avatar3d.avatar import Avatar
from avatar3d.bench import machine
from avatar3d.head.store import load_head
from recon.capture import load_capture
from recon.evaluation import evaluate
from recon.live_fit import LiveFit, warm_up
from recon.live_session import LiveSession, warm_eyes
from recon.live_source import open_source
from recon.pose_bias import as_fitted

HOLDOUT, EVERY, MEASURED = 0.2, 5.0, 20
"""Share of the video, seconds between two avatars that are measured, and frames that they are measured on."""
ASKED = (30, 60, 120)
"""Seconds."""


def bench(
    video: Positional[Path], /, out: Annotated[Path, arg(aliases=["-o"])] = Path("live_capture.png"), settle: float = 100.0, seed: int = 0
) -> None:
    """Film a video as if it were the camera, and measure the head on the way.

    Args:
        video: of a person.
        out: the plot.
        settle: seconds for which the fit goes on once the film is over and tracked.
        seed: of the fit.
    """
    head, kept = load_head(), []
    warm_up(head)
    warm_eyes()

    def told(seconds: float, avatar: Avatar) -> None:
        if not kept or seconds - kept[-1][0] >= EVERY:
            kept.append((seconds, session.fit.avatar({}), session.fit.step, session.fit.psnr, os.getloadavg()[0]))

    with tempfile.TemporaryDirectory() as folder:
        session = LiveSession(
            open_source(str(video)), Path(folder) / "live.capture", head, LiveFit(head, seed=seed), holdout=HOLDOUT, settle=settle, told=told
        )
        tracking, split = session.run()
        capture = load_capture(session.out)
        kept.append((session.times["done"], session.fit.avatar({}), session.fit.step, session.fit.psnr, os.getloadavg()[0]))
        frames = split.test[np.unique(np.linspace(0, len(split.test) - 1, MEASURED).astype(int))]
        rows = []
        for seconds, avatar, step, trained, load in kept:
            final = seconds > session.times["tracked"]
            motion = as_fitted(tracking.motion, avatar.metadata["fit"]) if final else tracking.motion
            found = evaluate(avatar, capture, motion, tracking.camera, frames)
            rows.append({"seconds": seconds, "step": step, "load": load, "trained": trained, "full": found.psnr_full, "head": found.psnr_head})
            line = f"{seconds:6.1f} s  step {step:4d}  full {found.psnr_full:.2f}  head {found.psnr_head:.2f}  learned frames {trained:.2f} dB"
            print(f"{line}  (load {load:.1f})", flush=True)
    print(json.dumps({"times": session.times, "pictures": session.counts, "machine": machine()}))
    for asked in ASKED:
        at = [row for row in rows if row["seconds"] <= asked]
        if at and rows[-1]["seconds"] >= asked - EVERY:
            print(f"at {asked} s: full {at[-1]['full']:.2f}, head {at[-1]['head']:.2f} dB")
    print(f"first picture of the head after {session.times['avatar']:.1f} s")
    _plot(rows, session.times, out)


def _plot(rows: list[dict], times: dict[str, float], out: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    seconds = [row["seconds"] for row in rows]
    for name, colour in (("full", "tab:blue"), ("head", "tab:orange")):
        axes.plot(seconds, [row[name] for row in rows], "o-", color=colour, label=f"{name}, held-out frames")
    axes.plot(seconds, [row["trained"] for row in rows], "--", color="tab:green", label="learned frames, as the page shows them")
    # One above the other, since a head may come just as the film is over.
    for row, (moment, name) in enumerate({"avatar": "first head", "film over": "film over", "tracked": "tracked"}.items()):
        if moment in times:
            axes.axvline(times[moment], color="grey", linewidth=0.8)
            axes.text(times[moment], 0.02 + 0.16 * row, f" {name}", transform=axes.get_xaxis_transform(), rotation=90, va="bottom", fontsize=8)
    axes.set(xlabel="seconds from the first picture", ylabel="PSNR, dB", xlim=(0, None))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    tyro.cli(bench)
