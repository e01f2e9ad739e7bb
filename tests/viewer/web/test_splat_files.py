"""Exported files in Spark, which draws them in browsers: an independent reader that makes pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from avatar3d.bench import head_scene
from avatar3d.camera import look_at
from avatar3d.drawing import draw_gaussians
from viewer.export.axes import turned
from viewer.export.ply import ply_bytes
from viewer.export.splat import splat_bytes
from viewer.export.spz import spz_bytes

SIZE = 200
PAGE = """<!doctype html><body style="margin: 0">
<script type="importmap">{"imports": {"three": "./node_modules/three/build/three.module.js",
  "three/addons/": "./node_modules/three/examples/jsm/", "@sparkjsdev/spark": "./node_modules/@sparkjsdev/spark/dist/spark.module.js"}}</script>
<script type="module">
  import * as THREE from "three";
  import { SparkRenderer, SplatMesh } from "@sparkjsdev/spark";
  const asked = new URLSearchParams(location.search);
  const renderer = new THREE.WebGLRenderer({ preserveDrawingBuffer: true });
  renderer.setSize(SIZE, SIZE, false);
  document.body.append(renderer.domElement);
  const scene = new THREE.Scene();
  scene.background = new THREE.Color(0, 0, 0);
  const camera = new THREE.PerspectiveCamera(2 * Math.atan(0.2) * 180 / Math.PI, 1, 0.01, 10);
  camera.position.set(0, 0, 1);
  scene.add(new SparkRenderer({ renderer }));
  const mesh = new SplatMesh({ url: asked.get("file") });
  if (asked.has("turn")) mesh.quaternion.set(1, 0, 0, 0);
  scene.add(mesh);
  const told = (word) => { document.body.dataset.state = word; };
  mesh.initialized.then(() => {
    let drawn = 0;
    // It sorts in a worker: some frames pass until the order is there.
    renderer.setAnimationLoop(() => { renderer.render(scene, camera); if (++drawn === 30) told("ready"); });
  }).catch((error) => told("failed: " + error));
</script>""".replace("SIZE", str(SIZE))


@pytest.fixture(scope="module")
def gaussians():
    return turned(head_scene(3000), "y")


@pytest.fixture(scope="module")
def folder(packages, gaussians, tmp_path_factory):
    made = tmp_path_factory.mktemp("spark")
    (made / "node_modules").symlink_to(packages)
    (made / "index.html").write_text(PAGE)
    down = turned(gaussians, "-y")
    (made / "a.ply").write_bytes(ply_bytes(down, comments=["subject: nobody"]))
    (made / "slim.ply").write_bytes(ply_bytes(down, degree=0, normals=False))
    (made / "a.splat").write_bytes(splat_bytes(down))
    (made / "a.spz").write_bytes(spz_bytes(gaussians, version=3, facts={"subject": "nobody"}))
    return made


def _page(browser, address):
    page = browser.new_page(viewport={"width": SIZE, "height": SIZE})
    page.goto(address)
    page.wait_for_selector("body[data-state]", state="attached", timeout=90_000)
    return page


@pytest.mark.parametrize("file", ["a.ply&turn", "slim.ply&turn", "a.splat&turn", "a.spz"])
def test_spark_draws_what_we_draw(browser, serve, folder, gaussians, file):
    page = _page(browser, f"{serve(folder)}/index.html?file={file}")
    assert page.evaluate("document.body.dataset.state") == "ready"
    seen = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), np.float64) / 255
    page.close()
    camera = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=SIZE / 0.4, size=(SIZE, SIZE))
    expected = np.clip(draw_gaussians(gaussians, camera, np.zeros(3, np.float32)).rgb, 0, 1)
    assert -10 * np.log10(np.square(seen - expected).mean()) > 35


def test_spark_does_not_read_version_4_yet(browser, serve, folder, gaussians):
    # Once it does, viewer.export.targets and docs/formats.md should say so.
    (folder / "new.spz").write_bytes(spz_bytes(gaussians, version=4))
    page = _page(browser, f"{serve(folder)}/index.html?file=new.spz")
    assert page.evaluate("document.body.dataset.state").startswith("failed")
    page.close()
