"""A headset that is emulated: entering, both eyes, leaving."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize("mode", ["vr", "ar"])
def test_both_eyes_see_the_head(mode, page_folder, packages, serve, show):
    emulator = (packages / "iwer" / "build" / "iwer.min.js").read_text()
    device = "window.device = new IWER.XRDevice(IWER.metaQuest3); device.installRuntime({ forceInstall: true }); device.stereoEnabled = true;"
    shown = show(f"{serve(page_folder)}/index.html", emulator, device, size=(400, 200))
    shown.page.wait_for_selector(f"#{mode}:not([hidden])", state="attached")
    before = shown.evaluate("player.view.camera.position.toArray()")
    shown.page.evaluate(f"document.getElementById('{mode}').click()")
    shown.wait("player.view.renderer.xr.isPresenting")
    frames = shown.evaluate("player.frames")
    shown.wait(f"player.frames > {frames + 4}")
    eyes = shown.evaluate("player.view.renderer.xr.getCamera().cameras.map((eye) => eye.matrixWorld.elements[12])")
    assert len(eyes) == 2 and 0.05 < eyes[1] - eyes[0] < 0.08
    assert shown.evaluate("player.view.spark.maxStdDev") == pytest.approx(5**0.5)
    shown.page.evaluate("for (const id of ['bar', 'label']) document.getElementById(id).style.visibility = 'hidden'")
    picture = np.asarray(Image.open(io.BytesIO(shown.page.screenshot())).convert("RGB")).astype(int)
    for half in (picture[:, :200], picture[:, 200:]):
        assert (np.abs(half - picture[0, 0]).max(axis=2) > 40).sum() > 50
    shown.page.evaluate("window.avatar3d.immersion.leave()")
    shown.wait("!player.view.renderer.xr.isPresenting && player.immersion.session === null")
    frames = shown.evaluate("player.frames")
    shown.wait(f"player.frames > {frames + 2}")
    np.testing.assert_allclose(shown.evaluate("player.view.camera.position.toArray()"), before, atol=1e-3)
    # The buttons can be pressed again.
    shown.page.evaluate("document.getElementById('bar').style.visibility = 'visible'")
    at = "(({ x, y, height }) => [x + 20, y + height / 2])(document.getElementById('bar').getBoundingClientRect())"
    assert shown.evaluate(f"document.elementFromPoint(...{at}).closest('#bar') !== null")
