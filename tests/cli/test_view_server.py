"""The workbench's page while its server comes and goes."""

from avatar3d.head.store import load_head
from recon.bench import bench_avatar
from tests.cli.page import PATIENCE, SIZE


def test_a_page_outlives_its_server(browser, tmp_path):
    from viewer.live.status_line import StatusLine
    from viewer.live.workbench import Workbench, close_server, free_port, open_server

    port = free_port("127.0.0.1", 0)
    avatar = bench_avatar(load_head(), 500)
    window, banner = None, "getComputedStyle(document.body, '::after').content"
    for _ in range(2):
        server = open_server("127.0.0.1", port, "avatar3d: me")
        loading = StatusLine(server, "reading me.avatar …", busy=True)
        if window is None:
            window = browser.new_page(viewport=SIZE)
            window.goto(f"http://127.0.0.1:{port}")
        window.get_by_text("reading me.avatar").wait_for(timeout=PATIENCE)
        bench = Workbench(server, avatar, "me", scratch=tmp_path)
        loading.remove()
        window.get_by_text("ready", exact=True).wait_for(timeout=PATIENCE)
        for _ in range(PATIENCE // 100):
            if len(bench.stage.browsers) == 1:
                break
            window.wait_for_timeout(100)
        assert len(bench.stage.browsers) == 1
        assert window.get_by_text("connection lost").is_hidden() and "none" in window.evaluate(banner)
        bench.close()
        close_server(server)
        window.get_by_text("connection lost").wait_for(timeout=PATIENCE)
        assert window.get_by_text("ready", exact=True).is_hidden() and "Does the program still run?" in window.evaluate(banner)
    window.close()
